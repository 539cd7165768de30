package main

import (
	"sync"
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
		payload := make([]byte, 4096)
		start := time.Now()
		for range count {
			b := pool.Get().(*buffer)
			b.bytes = append(b.bytes, payload...)
			b.bytes = b.bytes[:0]
			pool.Put(b)
		}
		return time.Since(start), nil
	}
}
