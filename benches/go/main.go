// The Go originals, as contestants of the side-by-side comparison.
//
// Reads a line "CASE WHO COUNT" and answers with the nanoseconds that COUNT
// operations took, or with "error: ..." when work was lost.
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
