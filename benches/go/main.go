// The Go originals, as contestants of the side-by-side comparison.
//
// Reads a line "CASE WHO COUNT" and answers with the nanoseconds that COUNT
// operations took, or with "error: ..." when work was lost. Told "sleep WHO
// COUNT" as its arguments it does that one thing and ends.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// A contestant does count operations and says how long they took.
type contestant func(count int) (time.Duration, error)

func main() {
	runtime.GOMAXPROCS(2)
	if len(os.Args) == 4 && os.Args[1] == "sleep" {
		if err := sleep(os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	contestants := map[string]contestant{}
	objectPools(contestants)
	workerPools(contestants)
	groups(contestants)

	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if lines.Text() == "list" {
			for name := range contestants {
				fmt.Println(name)
			}
			fmt.Println()
			continue
		}
		var name, who string
		var count int
		if _, err := fmt.Sscan(lines.Text(), &name, &who, &count); err != nil {
			fmt.Println("error:", err)
			continue
		}
		run, known := contestants[name+" "+who]
		if !known {
			fmt.Println("error: no such contestant")
			continue
		}
		took, err := run(count)
		if err != nil {
			fmt.Println("error:", strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		fmt.Println(took.Nanoseconds())
	}
}
