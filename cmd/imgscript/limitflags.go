package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/starlib"
)

// limitFlags are the limits of a run.
type limitFlags struct {
	limits   starlib.Limits
	requests int64
}

// limitsHeading stands above the limits in the help.
const limitsHeading = "Limits, which are guard rails against mistakes and no security boundary (N and SIZE may be unlimited)"

func (f *limitFlags) add(cmd *cobra.Command) {
	l := &f.limits
	flag := func(name string, value limitValue, usage string) {
		cmd.Flags().Var(value, name, usage)
		complete(cmd, name, "unlimited")
		groupFlag(cmd, name, limitsHeading)
	}
	cmd.Flags().Var((*timeLimit)(&l.Time), "timeout", "`TIME`, such as 90s or 10m, of the whole run (default: no limit)")
	groupFlag(cmd, "timeout", limitsHeading)
	flag("max-steps", limitValue{&l.Steps, false}, "`N` steps of computation, in built-ins too (default: 1000000000)")
	flag("max-call-depth", limitValue{&l.CallDepth, false}, "calls nested `N` deep (default: 200)")
	flag("max-modules", limitValue{&l.Modules, false}, "`N` files that are loaded (default: 1000)")
	flag("max-source-bytes", limitValue{&l.SourceBytes, true}, "`SIZE` of one file of a script (default: 16MiB)")
	flag("max-layer-files", limitValue{&l.LayerFiles, false}, "`N` files in one layer (default: 5000000)")
	flag("max-layer-bytes", limitValue{&l.LayerBytes, true}, "`SIZE` of the files in one layer (default: 256GiB)")
	flag("max-blob-bytes", limitValue{&l.BlobBytes, true}, "`SIZE` of what one call reads into the script (default: 64MiB)")
	flag("max-json-bytes", limitValue{&l.JSONBytes, true}, "`SIZE` of one JSON text (default: 64MiB)")
	flag("max-print-bytes", limitValue{&l.PrintBytes, true}, "`SIZE` of all that is printed (default: 16MiB)")
	flag("max-requests", limitValue{&f.requests, false}, "`N` requests to registries at once; more of them wait (default: 64)")
}

// engine sets what an engine limits.
func (f *limitFlags) engine(opts *build.EngineOptions) {
	opts.Requests = int(min(build.LimitOr(f.requests, 0), math.MaxInt32))
}

// stopTime is how long a run may take to end when its time is up, before the program ends without it.
const stopTime = 5 * time.Second

// lastResort ends the program when a run does not end although its time is up: nothing stops a single operation of the language, such as the product of two numbers
// of a million digits. The caller calls the function that is returned when the run ended.
func (f *limitFlags) lastResort(stderr io.Writer, asJSON bool) (ended func()) {
	if f.limits.Time <= 0 {
		return func() {}
	}
	timer := time.AfterFunc(f.limits.Time+stopTime, func() {
		late := &failure{shown: &starlib.Error{
			Kind: starlib.KindScript,
			Msg:  fmt.Sprintf("the run takes more than %v, which is the limit, and what the script is doing cannot be stopped otherwise", f.limits.Time),
			Hint: "--timeout sets the limit",
		}}
		late.show(stderr, asJSON)
		os.Exit(exitScript)
	})
	return func() { timer.Stop() }
}

// limitValue is the value of a limit: a number, or a size in bytes. Not given, it is 0; unlimited is -1.
type limitValue struct {
	n      *int64
	isSize bool
}

// String implements pflag.Value. Defaults are in the usage.
func (v limitValue) String() string { return "" }

// Type implements pflag.Value.
func (v limitValue) Type() string { return "limit" }

// Set implements pflag.Value.
func (v limitValue) Set(text string) (err error) {
	switch {
	case text == "unlimited":
		*v.n = -1
		return nil
	case v.isSize:
		*v.n, err = parseSize(text)
	default:
		*v.n, err = strconv.ParseInt(text, 10, 64)
	}
	switch {
	case err == nil && *v.n > 0:
		return nil
	case v.isSize:
		return errors.New("want a size such as 500MB or 2GiB, or unlimited")
	}
	return errors.New("want a number from 1, or unlimited")
}

// timeLimit is the value of --timeout.
type timeLimit time.Duration

// String implements pflag.Value.
func (t *timeLimit) String() string { return "" }

// Type implements pflag.Value.
func (t *timeLimit) Type() string { return "time" }

// Set implements pflag.Value.
func (t *timeLimit) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return errors.New("want a time such as 90s or 10m")
	}
	*t = timeLimit(d)
	return nil
}
