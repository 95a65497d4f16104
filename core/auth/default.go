package auth

import (
	"net/http"
	"time"
)

// Options are the surroundings of the default sources. nil and the zero value are the process's own.
type Options struct {
	Getenv        func(string) string               // the environment; nil is os.Getenv
	LookPath      func(file string) (string, error) // finds credential helpers; nil is exec.LookPath
	HelperTimeout time.Duration                     // how long a credential helper may take; 0 is 5 minutes
	Client        *http.Client                      // exchanges Google's keys; nil is a client with the default transport
	Now           func() time.Time                  // the clock; nil is time.Now
}

// Default returns the keychain of what a machine has: [Docker], then [Google], then nothing. A script's [Map] goes before it in a [Chain].
func Default(opts *Options) Keychain {
	if opts == nil {
		opts = &Options{}
	}
	return Chain(
		Docker(&DockerOptions{Getenv: opts.Getenv, LookPath: opts.LookPath, HelperTimeout: opts.HelperTimeout, Now: opts.Now}),
		Google(&GoogleOptions{Getenv: opts.Getenv, Client: opts.Client, Now: opts.Now}),
	)
}
