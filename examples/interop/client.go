package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"
	"trpc.group/trpc-go/trpc-go"
	"trpc.group/trpc-go/trpc-go/client"
	"trpc.group/trpc-go/trpc-go/codec"
	"trpc.group/trpc-go/trpc-go/errs"
	trpcpb "trpc.group/trpc/trpc-protocol/pb/go/trpc"
)

const (
	manyAtOnce = 128
	patience   = 30 * time.Second
)

// The ways this client keeps its connections.
var modes = []struct {
	name   string
	option client.Option
}{
	{"pooled", client.WithMultiplexed(false)},
	{"multiplexed", client.WithMultiplexed(true)},
	{"connection a call", client.WithDisableConnectionPool()},
}

var encodings = []int{
	codec.CompressTypeNoop, codec.CompressTypeGzip, codec.CompressTypeSnappy, codec.CompressTypeZlib,
	codec.CompressTypeStreamSnappy, codec.CompressTypeBlockSnappy,
	codec.CompressTypeStreamLZ4, codec.CompressTypeBlockLZ4,
}

var sizes = []int{0, 1, 255, 256, 4 << 10, 64<<10 + 1, 1 << 20, 8 << 20}

type peer struct {
	address string
	// How many calls are many.
	calls int64
}

func (p peer) invoke(method string, content int, request, response any, more ...client.Option) error {
	return p.invokeOf("interop.Test", method, content, request, response, more...)
}

func (p peer) invokeOf(
	service, method string, content int, request, response any, more ...client.Option,
) error {
	ctx, msg := codec.WithCloneMessage(context.Background())
	defer codec.PutBackMessage(msg)
	msg.WithClientRPCName("/" + service + "/" + method)
	msg.WithCalleeServiceName(service)
	options := []client.Option{
		client.WithTarget("ip://" + p.address),
		client.WithNetwork("tcp"),
		client.WithProtocol("trpc"),
		client.WithSerializationType(content),
		client.WithTimeout(patience),
	}
	return client.DefaultClient.Invoke(ctx, request, response, append(options, more...)...)
}

func (p peer) raw(method string, body []byte, more ...client.Option) ([]byte, error) {
	response := &codec.Body{}
	err := p.invoke(method, codec.SerializationTypeNoop, &codec.Body{Data: body}, response, more...)
	return response.Data, err
}

// echo calls the demo's own Echo.
func (p peer) echo(body []byte, more ...client.Option) ([]byte, error) {
	response, content := &codec.Body{}, codec.SerializationTypeNoop
	err := p.invokeOf("rpcdemo.Echo", "Echo", content, &codec.Body{Data: body}, response, more...)
	return response.Data, err
}

func call(address, calls string) error {
	many, err := strconv.ParseInt(calls, 10, 64)
	if err != nil {
		return err
	}
	p := peer{address, many}
	for _, part := range []struct {
		name string
		try  func() error
	}{
		{"bodies of every size, content type and compression", p.bodies},
		{"metadata and attachments", p.beside},
		{"timeouts", p.timeouts},
		{"errors", p.errors},
		{"sizes that are refused", p.refused},
		{"one-way calls", p.oneWay},
		{"many calls", p.many},
	} {
		if err := part.try(); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		fmt.Println("ok:", part.name)
	}
	return nil
}

// text is so long, and can be compressed by some, but not by very much.
func text(size int) []byte {
	body := make([]byte, size)
	state := uint32(size) + 1
	for at := range body {
		state = state*1664525 + 1013904223
		body[at] = 'a' + byte(state>>28)
	}
	return body
}

func (p peer) bodies() error {
	for number, mode := range modes {
		for _, encoding := range encodings {
			for _, size := range sizes {
				if number > 0 && size > 1<<20 {
					continue
				}
				if err := p.body(text(size), mode.option, client.WithCompressType(encoding)); err != nil {
					return fmt.Errorf("%s, encoding %d, %d bytes: %w", mode.name, encoding, size, err)
				}
			}
		}
	}
	return nil
}

func (p peer) body(body []byte, more ...client.Option) error {
	back, err := p.raw("Raw", body, more...)
	if err != nil || !bytes.Equal(back, body) {
		return fmt.Errorf("raw: %d bytes back, %w", len(back), err)
	}
	asJSON := &Text{}
	err = p.invoke("Json", codec.SerializationTypeJSON, &Text{Text: string(body)}, asJSON, more...)
	if err != nil || asJSON.Text != string(body)+"!" {
		return fmt.Errorf("JSON: %d bytes back, %w", len(asJSON.Text), err)
	}
	asProto := &wrapperspb.StringValue{}
	err = p.invoke("Proto", codec.SerializationTypePB, wrapperspb.String(string(body)), asProto, more...)
	if err != nil || asProto.Value != string(body)+"!" {
		return fmt.Errorf("protobuf: %d bytes back, %w", len(asProto.Value), err)
	}
	return nil
}

func (p peer) beside() error {
	for _, mode := range modes {
		attachment := client.NewAttachment(strings.NewReader("attached"))
		head := &trpcpb.ResponseProtocol{}
		body, err := p.raw("Beside", text(1000), mode.option,
			client.WithMetaData("binary", []byte{0, 255}), client.WithMetaData("empty", []byte{}),
			client.WithAttachment(attachment), client.WithRspHead(head),
			client.WithCompressType(codec.CompressTypeGzip))
		if err != nil {
			return fmt.Errorf("%s: %w", mode.name, err)
		}
		back, err := io.ReadAll(attachment.Response())
		if err != nil || string(back) != "attached!" || !bytes.Equal(body, text(1000)) {
			return fmt.Errorf("%s: attachment %q, %w", mode.name, back, err)
		}
		binary := head.TransInfo["binary-back"]
		empty, there := head.TransInfo["empty-back"]
		if !bytes.Equal(binary, []byte{0, 255}) || !there || len(empty) != 0 {
			return fmt.Errorf("%s: metadata %v", mode.name, head.TransInfo)
		}
	}
	return nil
}

// expect says what is wrong with an error that should have one of these codes.
func expect(err error, codes ...trpcpb.TrpcRetCode) error {
	for _, code := range codes {
		if err != nil && errs.Code(err) == code {
			return nil
		}
	}
	return fmt.Errorf("%v instead of code %v", err, codes)
}

func (p peer) timeouts() error {
	for _, mode := range modes {
		_, err := p.raw("Slow", nil, mode.option)
		if err := expect(err, errs.RetServerTimeout); err != nil {
			return err
		}
		// Which of the two sides notices first is open; this one says network
		// error when it is multiplexed and does.
		_, err = p.raw("Slow", nil, mode.option, client.WithTimeout(50*time.Millisecond))
		err = expect(err, errs.RetClientTimeout, errs.RetServerFullLinkTimeout, errs.RetClientNetErr)
		if err != nil {
			return err
		}
		if _, err := p.raw("Raw", []byte("on"), mode.option); err != nil {
			return err
		}
	}
	return nil
}

func (p peer) errors() error {
	for _, mode := range modes {
		_, err := p.raw("Nothing", nil, mode.option)
		if err := expect(err, errs.RetServerNoFunc); err != nil {
			return err
		}
		_, err = p.raw("Fail", nil, mode.option)
		if bad := expect(err, -7); bad != nil || errs.Msg(err) != "not today" {
			return fmt.Errorf("%s: business error: %w", mode.name, err)
		}
		err = p.invoke("Json", codec.SerializationTypeNoop, &codec.Body{Data: []byte("{")}, &codec.Body{}, mode.option)
		if err := expect(err, errs.RetServerDecodeFail); err != nil {
			return err
		}
	}
	return nil
}

func (p peer) refused() error {
	for _, mode := range modes {
		_, err := p.raw("Big", nil, mode.option)
		if err := expect(err, errs.RetServerEncodeFail); err != nil {
			return err
		}
		_, err = p.raw("Raw", make([]byte, 11<<20), mode.option)
		if err := expect(err, errs.RetClientEncodeFail); err != nil {
			return err
		}
		if err := p.oversize(mode.option); err != nil {
			return fmt.Errorf("%s: %w", mode.name, err)
		}
		if _, err := p.raw("Raw", []byte("on"), mode.option); err != nil {
			return err
		}
	}
	return nil
}

// oversize sends what this side would let go and the other does not let in.
func (p peer) oversize(mode client.Option) error {
	trpc.DefaultMaxFrameSize = 20 << 20
	defer func() { trpc.DefaultMaxFrameSize = 10 << 20 }()
	_, err := p.raw("Raw", make([]byte, 11<<20), mode)
	return expect(err, errs.RetClientNetErr, errs.RetClientReadFrameErr)
}

func (p peer) oneWay() error {
	const calls = 100
	for round, mode := range modes {
		for range calls {
			_, err := p.raw("Note", []byte("psst"), mode.option, client.WithSendOnly())
			if err != nil {
				return fmt.Errorf("%s: %w", mode.name, err)
			}
		}
		deadline := time.Now().Add(patience)
		for count := ""; count != strconv.Itoa(calls*(round+1)); {
			body, err := p.raw("Notes", nil, mode.option)
			if err != nil || time.Now().After(deadline) {
				return fmt.Errorf("%s: %s notes arrived, %w", mode.name, body, err)
			}
			count = string(body)
		}
	}
	return nil
}

func (p peer) many() error {
	for _, mode := range modes[:2] {
		var next, failed atomic.Int64
		var first atomic.Pointer[error]
		var group sync.WaitGroup
		for range manyAtOnce {
			group.Add(1)
			go func() {
				defer group.Done()
				for number := next.Add(1); number <= p.calls/2; number = next.Add(1) {
					body := strconv.AppendInt(nil, number, 10)
					back, err := p.raw("Raw", body, mode.option)
					if err == nil && !bytes.Equal(back, body) {
						err = fmt.Errorf("%q instead of %q", back, body)
					}
					if err != nil {
						failed.Add(1)
						first.CompareAndSwap(nil, &err)
					}
				}
			}()
		}
		group.Wait()
		if failed.Load() > 0 {
			return fmt.Errorf("%s: %d failed, the first: %w", mode.name, failed.Load(), *first.Load())
		}
	}
	return nil
}
