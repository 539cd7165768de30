package main

import (
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/panjf2000/ants/v2"
)

// slots are marked by the jobs, each its own.
type slots []uint8

func (s slots) check() error {
	for at, mark := range s {
		if mark != 1 {
			return fmt.Errorf("slot %d was marked %d times", at, mark)
		}
	}
	return nil
}

type job struct {
	slots slots
	at    int
	done  *sync.WaitGroup
}

func (j job) run() {
	j.slots[j.at]++
	j.done.Done()
}

func withPool(capacity, submitters int) contestant {
	return func(count int) (time.Duration, error) {
		pool, err := ants.NewPool(capacity)
		if err != nil {
			return 0, err
		}
		defer pool.Release()
		return runJobs(count, submitters, func(j job) error { return pool.Submit(j.run) })
	}
}

// runJobs submits count jobs from so many goroutines and waits for all.
func runJobs(count, submitters int, submit func(job) error) (time.Duration, error) {
	s := make(slots, count)
	var done sync.WaitGroup
	done.Add(count)
	failed := make(chan error, submitters)
	start := time.Now()
	for first := range submitters {
		submitAll := func() {
			for at := first; at < count; at += submitters {
				if err := submit(job{s, at, &done}); err != nil {
					failed <- err
					return
				}
			}
		}
		if submitters == 1 {
			submitAll()
		} else {
			go submitAll()
		}
	}
	ended := make(chan struct{})
	go func() { done.Wait(); close(ended) }()
	select {
	case <-ended:
	case err := <-failed:
		return 0, err
	}
	took := time.Since(start)
	return took, s.check()
}

func withFunc(count int) (time.Duration, error) {
	pool, err := ants.NewPoolWithFuncGeneric(2, job.run)
	if err != nil {
		return 0, err
	}
	defer pool.Release()
	return runJobs(count, 1, pool.Invoke)
}

func bareGoroutines(count int) (time.Duration, error) {
	return runJobs(count, 1, func(j job) error { go j.run(); return nil })
}

// wake submits a job at a time to an idle pool; each waits for its start.
func wake(count int) (time.Duration, error) {
	pool, err := ants.NewPool(2)
	if err != nil {
		return 0, err
	}
	defer pool.Release()
	var total time.Duration
	started := make(chan time.Time, 1)
	for range count {
		time.Sleep(50 * time.Microsecond)
		submitted := time.Now()
		if err := pool.Submit(func() { started <- time.Now() }); err != nil {
			return 0, err
		}
		total += (<-started).Sub(submitted)
	}
	return total, nil
}

// trickle submits a job a millisecond, and tells the processor time of it all.
func trickle(count int) (time.Duration, error) {
	pool, err := ants.NewPool(2)
	if err != nil {
		return 0, err
	}
	defer pool.Release()
	before, err := processorTime()
	if err != nil {
		return 0, err
	}
	done := make(chan struct{}, count)
	for range count {
		time.Sleep(time.Millisecond)
		if err := pool.Submit(func() { done <- struct{}{} }); err != nil {
			return 0, err
		}
	}
	for range count {
		<-done
	}
	after, err := processorTime()
	return after - before, err
}

// processorTime is what the process has spent so far.
func processorTime() (time.Duration, error) {
	var usage syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), err
}

func workerPools(contestants map[string]contestant) {
	for _, engine := range []string{"threads", "tasks"} {
		contestants["worker/"+engine+"/pool go:ants"] = withPool(2, 1)
		contestants["worker/"+engine+"/func go:ants"] = withFunc
		contestants["worker/"+engine+"/pool go:goroutines"] = bareGoroutines
	}
	contestants["worker/threads/pool/4s go:ants"] = withPool(2, 4)
	contestants["worker/threads/wake go:ants"] = wake
	contestants["worker/threads/trickle go:ants"] = trickle
}
