package main

import (
	"sync"
	"sync/atomic"
	"time"
)

func newBuffer() any { return &buffer{bytes: make([]byte, 0, 4096)} }

type buffer struct{ bytes []byte }

func (b *buffer) touch() {
	b.bytes = append(b.bytes, 1)
}

var staticPool = sync.Pool{New: newBuffer}

func getPut(pool *sync.Pool, count int) {
	for range count {
		b := pool.Get().(*buffer)
		b.touch()
		b.bytes = b.bytes[:0]
		pool.Put(b)
	}
}

func objectPools(contestants map[string]contestant) {
	contestants["object/get_put/1t go:sync.Pool"] = func(count int) (time.Duration, error) {
		pool := &sync.Pool{New: newBuffer}
		start := time.Now()
		getPut(pool, count)
		return time.Since(start), nil
	}
	contestants["object/static/1t go:sync.Pool"] = func(count int) (time.Duration, error) {
		start := time.Now()
		getPut(&staticPool, count)
		return time.Since(start), nil
	}
	contestants["object/get_put/2t go:sync.Pool"] = func(count int) (time.Duration, error) {
		pool := &sync.Pool{New: newBuffer}
		var ready, done sync.WaitGroup
		begin := make(chan struct{})
		for range 2 {
			ready.Add(1)
			done.Add(1)
			go func() {
				defer done.Done()
				ready.Done()
				<-begin
				getPut(pool, count/2)
			}()
		}
		ready.Wait()
		start := time.Now()
		close(begin)
		done.Wait()
		return time.Since(start), nil
	}
	contestants["object/handoff go:sync.Pool"] = func(count int) (time.Duration, error) {
		pool := &sync.Pool{New: newBuffer}
		channel := make(chan *buffer, 1024)
		done := make(chan struct{})
		start := time.Now()
		go func() {
			defer close(done)
			for b := range channel {
				b.bytes = b.bytes[:0]
				pool.Put(b)
			}
		}()
		for range count {
			b := pool.Get().(*buffer)
			b.touch()
			channel <- b
		}
		close(channel)
		<-done
		return time.Since(start), nil
	}
	contestants["object/buffer/4k go:sync.Pool"] = func(count int) (time.Duration, error) {
		pool := &sync.Pool{New: newBuffer}
		handles := &sync.Pool{New: func() any { return new(shared) }}
		payloads := newPayloads()
		start := time.Now()
		for range count {
			b := pool.Get().(*buffer)
			b.bytes = append(b.bytes, payloads.next()...)
			share(handles, pool, b).free()
		}
		return time.Since(start), nil
	}
	contestants["object/buffer/4k go:sync.Pool:unshared"] = func(count int) (time.Duration, error) {
		pool := &sync.Pool{New: newBuffer}
		payloads := newPayloads()
		start := time.Now()
		for range count {
			b := pool.Get().(*buffer)
			b.bytes = append(b.bytes, payloads.next()...)
			b.bytes = b.bytes[:0]
			pool.Put(b)
		}
		return time.Since(start), nil
	}
}

// shared is a written buffer that many may hold and the last one brings home, as a
// mem.Buffer of grpc-go is; the handles are pooled as well, as there.
type shared struct {
	references atomic.Int32
	buffer     *buffer
	home       *sync.Pool
	handles    *sync.Pool
}

func share(handles, home *sync.Pool, b *buffer) *shared {
	s := handles.Get().(*shared)
	s.references.Store(1)
	s.buffer, s.home, s.handles = b, home, handles
	return s
}

func (s *shared) free() {
	if s.references.Add(-1) > 0 {
		return
	}
	s.buffer.bytes = s.buffer.bytes[:0]
	s.home.Put(s.buffer)
	s.buffer = nil
	s.handles.Put(s)
}

// payloads are 4 KiB that begin at another place each time: how fast they are copied
// depends on where they lie.
type payloads struct {
	source []byte
	offset int
}

func newPayloads() *payloads {
	return &payloads{source: make([]byte, 2*4096)}
}

func (p *payloads) next() []byte {
	p.offset = (p.offset + 1037) % 4096
	return p.source[p.offset : p.offset+4096]
}
