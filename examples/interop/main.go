// trpc-go 1.0.4, unmodified, as the peer of rpc-demo: `interop server` is a
// server that prints the address it listens at and ends with its input;
// `interop client ADDRESS CALLS` calls a server and tells what it does wrong;
// `interop until-told ADDRESS MODE` calls one that stops meanwhile.
package main

import (
	"fmt"
	"os"

	"trpc.group/trpc-go/trpc-go/log"
)

func main() {
	log.SetLevel("0", log.LevelFatal)
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == "server":
		err = serve()
	case len(os.Args) == 4 && os.Args[1] == "client":
		err = call(os.Args[2], os.Args[3])
	case len(os.Args) == 4 && os.Args[1] == "until-told":
		err = untilTold(os.Args[2], os.Args[3])
	default:
		err = fmt.Errorf("usage: %s server | client ADDRESS CALLS | until-told ADDRESS MODE", os.Args[0])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
