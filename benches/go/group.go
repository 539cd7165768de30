package main

import (
	"time"

	"golang.org/x/sync/errgroup"
)

func withErrgroup(limit int) contestant {
	return func(count int) (time.Duration, error) {
		s := make(slots, count)
		var group errgroup.Group
		if limit > 0 {
			group.SetLimit(limit)
		}
		start := time.Now()
		for at := range count {
			group.Go(func() error {
				s[at]++
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return 0, err
		}
		took := time.Since(start)
		return took, s.check()
	}
}

func groups(contestants map[string]contestant) {
	contestants["errgroup/limit2 go:errgroup"] = withErrgroup(2)
	contestants["errgroup/limit64 go:errgroup"] = withErrgroup(64)
	contestants["errgroup/unlimited go:errgroup"] = withErrgroup(0)
}
