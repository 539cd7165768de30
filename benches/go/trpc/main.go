// An echo of raw bytes on trpc-go with its default settings, as a process of
// its own: prints the address it listens at, and ends with its input.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"

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
	// Not by an address that was free a moment ago: who dials it before anybody listens may,
	// on loopback, be connected with itself, and keep it.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	service := server.New(
		server.WithServiceName("rpcdemo.Echo"),
		server.WithNetwork("tcp"),
		server.WithProtocol("trpc"),
		server.WithAddress(listener.Addr().String()),
		server.WithListener(listener),
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
	// Who comes before it accepts waits for that.
	fmt.Println(listener.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
