package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/imgscript/imgscript/core/registry/registrytest"
)

type proxiesKey struct{}

// proxy NAME USER:PASSWORD [HOST:PORT=ADDRESS…]: starts an HTTP proxy on loopback, sets $NAME to its host and port, and lets it connect to ADDRESS in place
// of HOST:PORT.
func cmdProxy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: proxy NAME USER:PASSWORD [HOST:PORT=ADDRESS…]")
	}
	user, password, _ := strings.Cut(args[1], ":")
	names := map[string]string{}
	for _, arg := range args[2:] {
		host, address, _ := strings.Cut(arg, "=")
		names[host] = address
	}
	p := registrytest.NewProxy(ts.Value(registriesKey{}).(*registries).t, user, password, names)
	ts.Value(proxiesKey{}).(map[string]*registrytest.Proxy)[args[0]] = p
	ts.Setenv(args[0], p.Host)
}

// asked NAME: writes what a proxy was asked, each request of a kind once, to stdout.
func cmdAsked(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: asked NAME")
	}
	p := ts.Value(proxiesKey{}).(map[string]*registrytest.Proxy)[args[0]]
	if p == nil {
		ts.Fatalf("there is no proxy %q", args[0])
	}
	out := ts.Stdout()
	for _, line := range p.Asked() {
		fmt.Fprintln(out, line)
	}
}

// expand FILE…: puts the values of the variables that files name, as $NAME or ${NAME}, in their places.
func cmdExpand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: expand FILE…")
	}
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

// authority NAME: makes a certificate authority that has signed nothing, and sets $NAME_ca to a file with its certificate.
func cmdAuthority(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: authority NAME")
	}
	path := ts.MkAbs(args[0] + ".pem")
	ts.Check(os.WriteFile(path, registrytest.NewAuthority(ts.Value(registriesKey{}).(*registries).t, args[0]).PEM(), 0o600))
	ts.Setenv(args[0]+"_ca", path)
}
