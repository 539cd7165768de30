// An echo of raw bytes on trpc-go with its default settings, as a process of
// its own: prints the address it listens at, and ends with its input.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"trpc.group/trpc-go/trpc-go/codec"
	"trpc.group/trpc-go/trpc-go/log"
	"trpc.group/trpc-go/trpc-go/server"

	_ "trpc.group/trpc-go/trpc-go"
)

var echo = server.ServiceDesc{
	ServiceName: "rpcdemo.Echo",
	HandlerType: (*any)(nil),
	Methods: []server.Method{{
		Name: "/rpcdemo.Echo/Echo",
		Func: func(_ any, ctx context.Context, filter server.FilterFunc) (any, error) {
			request := &codec.Body{}
			filters, err := filter(request)
			if err != nil {
				return nil, err
			}
			handle := func(context.Context, any) (any, error) { return request, nil }
			return filters.Filter(ctx, request, handle)
		},
	}},
}

func main() {
	log.SetLevel("0", log.LevelError)
	address, err := freeAddress()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	service := server.New(
		server.WithServiceName("rpcdemo.Echo"),
		server.WithNetwork("tcp"),
		server.WithProtocol("trpc"),
		server.WithAddress(address),
	)
	var handlers any = struct{}{}
	if err := service.Register(&echo, &handlers); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() {
		if err := service.Serve(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}()
	awaitListener(address)
	fmt.Println(address)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// freeAddress finds a free port: this transport does not tell which one it
// was given.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

func awaitListener(address string) {
	for {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return
		}
		time.Sleep(time.Millisecond)
	}
}
