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
	Notice        func(message string)              // is told what the user should know although it is no error (see DockerOptions); nil drops it
	RunDir        string                            // holds Podman's file of each user on Linux; "" is /run/containers
	Client        *http.Client                      // exchanges Google's keys; nil is a client with the default transport
	Now           func() time.Time                  // the clock; nil is time.Now
}

// Default returns the keychain of what a machine has: [Docker], then [Podman], then [Google], then nothing. A script's [Map] goes before it in
// a [Chain].
func Default(opts *Options) Keychain {
	if opts == nil {
		opts = &Options{}
	}
	files := &DockerOptions{
		Getenv: opts.Getenv, LookPath: opts.LookPath, HelperTimeout: opts.HelperTimeout, Notice: opts.Notice, RunDir: opts.RunDir, Now: opts.Now,
	}
	return Chain(Docker(files), Podman(files), Google(&GoogleOptions{Getenv: opts.Getenv, Client: opts.Client, Now: opts.Now}))
}
