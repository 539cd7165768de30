package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/panjf2000/ants/v2"
	"golang.org/x/sync/errgroup"
)

const capacity = 50_000

// sleep lets jobs sleep for 10 ms, as many at a time as the capacity, and
// prints how many nanoseconds that took and how many bytes were the peak.
func sleep(who, count string) error {
	jobs, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	slots := make(slots, jobs)
	start := time.Now()
	switch who {
	case "ants":
		err = sleepInAnts(slots)
	case "goroutines":
		sleepInGoroutines(slots)
	case "errgroup":
		err = sleepInGroup(slots)
	default:
		err = errors.New("no such contestant")
	}
	if err != nil {
		return err
	}
	took := time.Since(start)
	if err := slots.check(); err != nil {
		return err
	}
	peak, err := peak()
	if err != nil {
		return err
	}
	fmt.Println(took.Nanoseconds(), peak)
	return nil
}

func (s slots) sleep(at int) {
	time.Sleep(10 * time.Millisecond)
	s[at]++
}

func sleepInAnts(slots slots) error {
	pool, err := ants.NewPool(capacity)
	if err != nil {
		return err
	}
	defer pool.Release()
	var done sync.WaitGroup
	done.Add(len(slots))
	for at := range slots {
		job := func() {
			slots.sleep(at)
			done.Done()
		}
		if err := pool.Submit(job); err != nil {
			return err
		}
	}
	done.Wait()
	return nil
}

func sleepInGoroutines(slots slots) {
	var done sync.WaitGroup
	done.Add(len(slots))
	for at := range slots {
		go func() {
			slots.sleep(at)
			done.Done()
		}()
	}
	done.Wait()
}

func sleepInGroup(slots slots) error {
	var group errgroup.Group
	group.SetLimit(capacity)
	for at := range slots {
		group.Go(func() error {
			slots.sleep(at)
			return nil
		})
	}
	return group.Wait()
}

// peak is the most bytes that ever were in memory.
func peak() (uint64, error) {
	status, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, err
	}
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		if rest, found := strings.CutPrefix(lines.Text(), "VmHWM:"); found {
			kib, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib * 1024, err
		}
	}
	return 0, errors.New("the peak is not told")
}
