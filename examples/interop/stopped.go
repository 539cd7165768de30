package main

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"trpc.group/trpc-go/trpc-go/client"
	"trpc.group/trpc-go/trpc-go/errs"
)

const (
	callers = 16
	// How many calls of each caller say that it is at full speed.
	warm = 200
)

// untilTold calls Echo without a pause, over connections of this mode, until each caller is
// told that the server stops. Every call must be answered or refused.
func untilTold(address, mode string) error {
	var option client.Option
	for _, known := range modes {
		if known.name == mode {
			option = known.option
		}
	}
	if option == nil {
		return fmt.Errorf("no mode %q", mode)
	}
	p := peer{address: address}
	var answered, refused atomic.Int64
	var warming, done sync.WaitGroup
	failures := make(chan error, callers)
	for caller := range callers {
		warming.Add(1)
		done.Add(1)
		go func() {
			defer done.Done()
			body := fmt.Appendf(nil, "caller %d", caller)
			for number := 1; ; number++ {
				back, err := p.echo(body, option)
				if err == nil && string(back) != string(body) {
					err = fmt.Errorf("%q instead of %q", back, body)
				}
				if err != nil && errs.Code(err) == errs.RetServerOverload {
					refused.Add(1)
				} else if err != nil {
					failures <- fmt.Errorf("call %d: %w", number, err)
				} else {
					answered.Add(1)
				}
				if err != nil && number < warm {
					warming.Done()
				}
				if err != nil {
					return
				}
				if number == warm {
					warming.Done()
				}
			}
		}()
	}
	warming.Wait()
	fmt.Println("at full speed")
	done.Wait()
	close(failures)
	for err := range failures {
		fmt.Fprintln(os.Stderr, err)
	}
	fmt.Printf("answered %d, refused %d\n", answered.Load(), refused.Load())
	if refused.Load() != callers {
		return fmt.Errorf("%d of %d callers were told", refused.Load(), callers)
	}
	return nil
}
