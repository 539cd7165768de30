package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"
	"trpc.group/trpc-go/trpc-go"
	"trpc.group/trpc-go/trpc-go/codec"
	"trpc.group/trpc-go/trpc-go/errs"
	"trpc.group/trpc-go/trpc-go/server"
)

// How long a call may take here, in all.
const serverTimeout = 300 * time.Millisecond

// Text is a message as JSON; as protobuf it is a StringValue.
type Text struct {
	Text string `json:"text"`
}

// method hands a fresh request to the handler.
func method[Q any](name string, handle func(context.Context, any) (any, error)) server.Method {
	return server.Method{
		Name: "/interop.Test/" + name,
		Func: func(_ any, ctx context.Context, filter server.FilterFunc) (any, error) {
			request := any(new(Q))
			filters, err := filter(request)
			if err != nil {
				return nil, err
			}
			return filters.Filter(ctx, request, handle)
		},
	}
}

var notes atomic.Int64

func description() *server.ServiceDesc {
	return &server.ServiceDesc{
		ServiceName: "interop.Test",
		HandlerType: (*any)(nil),
		Methods: []server.Method{
			method[codec.Body]("Raw", echo),
			method[Text]("Json", func(_ context.Context, request any) (any, error) {
				return &Text{Text: request.(*Text).Text + "!"}, nil
			}),
			method[wrapperspb.StringValue]("Proto", func(_ context.Context, request any) (any, error) {
				return wrapperspb.String(request.(*wrapperspb.StringValue).Value + "!"), nil
			}),
			method[codec.Body]("Beside", beside),
			method[codec.Body]("Slow", func(ctx context.Context, _ any) (any, error) {
				<-ctx.Done()
				return nil, errs.NewFrameError(errs.RetServerTimeout, "too slow")
			}),
			method[codec.Body]("Fail", func(context.Context, any) (any, error) {
				return nil, errs.New(-7, "not today")
			}),
			method[codec.Body]("Big", func(context.Context, any) (any, error) {
				return &codec.Body{Data: make([]byte, 11<<20)}, nil
			}),
			method[codec.Body]("Note", func(_ context.Context, request any) (any, error) {
				notes.Add(1)
				return request, nil
			}),
			method[codec.Body]("Notes", func(context.Context, any) (any, error) {
				return &codec.Body{Data: []byte(strconv.FormatInt(notes.Load(), 10))}, nil
			}),
		},
	}
}

func echo(_ context.Context, request any) (any, error) { return request, nil }

// beside sends metadata and attachment back with a mark.
func beside(ctx context.Context, request any) (any, error) {
	back := codec.MetaData{}
	for key, value := range trpc.Message(ctx).ServerMetaData() {
		back[key+"-back"] = value
	}
	codec.Message(ctx).WithServerMetaData(back)
	attachment := server.GetAttachment(codec.Message(ctx))
	came, err := io.ReadAll(attachment.Request())
	if err != nil {
		return nil, err
	}
	attachment.SetResponse(bytes.NewReader(append(came, '!')))
	return request, nil
}

func serve() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := listener.Addr().String()
	service := server.New(
		server.WithServiceName("interop.Test"),
		server.WithNetwork("tcp"),
		server.WithProtocol("trpc"),
		server.WithAddress(address),
		server.WithListener(listener),
		server.WithTimeout(serverTimeout),
	)
	var handlers any = struct{}{}
	if err := service.Register(description(), &handlers); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- service.Serve() }()
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		ended <- err
	}()
	// Calls may come from here on: the listener has them wait for the server.
	fmt.Println(address)
	return <-ended
}
