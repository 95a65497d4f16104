package build

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/imgscript/imgscript/core/transport"
)

// ErrPolicy says that the permissions of the run forbid something.
var ErrPolicy = errors.New("not allowed")

// Policy is asked before a run touches anything; an error forbids it and becomes the error of the step, which is [ErrPolicy] whatever the function returned. A
// nil function allows none of its kind. What is below the root may always be read. [Permissions] makes one of lists.
//
// The functions are called by many goroutines. Paths are absolute and have no links in them that were there when they were looked at; Out is asked for
// directories above a path too, to find out how far it may reach. Hosts have one spelling: in lower case, without a default port (443, and 80 in a URL of
// plain HTTP) and without a dot at their end, an address in its shortest text, IPv6 in brackets, and docker.io for all hosts of Docker Hub.
//
// Where a host that may be spoken to leads, to its token server, its storage or its mirrors in the configuration, is not asked: package registry holds it to its
// own rules. The URLs of foreign layers, and the servers that key files name but for Google's, are hosts of their own, and so is a Docker daemon, by the name docker-daemon.
type Policy struct {
	Read func(path string) error       // a file or directory outside the root
	Out  func(path string) error       // the directory of a layout to be written
	Net  func(host string) error       // a host, with its port if that is not the default one, to be spoken to
	Push func(repository string) error // a registry repository, as host/repository, to be written; Net is asked too

	hermetic bool // see Hermetic
}

// DefaultPolicy allows the network and pushes, and keeps files, read or written, below the root: for a root's absolute path without links.
func DefaultPolicy(root string) *Policy {
	return (&permitted{root: root, out: []string{root}}).policy()
}

// PermissionError is something that the permissions of a run forbid, with the flag of the imgscript program that would allow it. It is [ErrPolicy].
type PermissionError struct {
	Forbidden string // for people: "pushing to reg.example.com/app"
	Flag      string // without dashes: "allow-push"
	Value     string // of the flag: "reg.example.com/app"
}

// Error implements error.
func (e *PermissionError) Error() string { return ErrPolicy.Error() + ": " + e.Forbidden }

// Is implements the promise above.
func (e *PermissionError) Is(target error) bool { return target == ErrPolicy }

// Hint says what to do about it: the flag, as it is typed in a shell.
func (e *PermissionError) Hint() string {
	hint := fmt.Sprintf("run with --%s %s", e.Flag, shellWord(e.Value))
	if e.Flag == flagRead {
		hint += "; or --root DIR makes a directory further up the root"
	}
	return hint
}

// The flags that give permissions.
const (
	flagRead = "allow-read"
	flagNet  = "allow-net"
	flagPush = "allow-push"
	flagOut  = "allow-out"
)

// shellWord is a text as one word of a POSIX shell.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_@%+=:,./-", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func noRead(path, root string) error {
	return &PermissionError{fmt.Sprintf("%s is outside the root %s", path, root), flagRead, path}
}

func noOut(path, root string) error {
	forbidden := "writing " + path
	if !within(root, path) {
		forbidden += ", which is outside the root " + root
	}
	return &PermissionError{forbidden, flagOut, path}
}

func noNet(host string) error { return &PermissionError{"requests to " + host, flagNet, host} }

func noPush(repository string) error {
	return &PermissionError{"pushing to " + repository, flagPush, repository}
}

// ask asks one function of a policy; otherwise is the answer of one that is missing.
func ask(f func(string) error, name string, otherwise error) error {
	if f == nil {
		return otherwise
	}
	err := f(name)
	if err == nil || errors.Is(err, ErrPolicy) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrPolicy, err)
}

// What follows is all that asks the policy of a run.

// mayReadPath asks for an absolute path without links. What is below the root may always be read.
func (r *Run) mayReadPath(path string) error {
	if within(r.opts.Root, path) {
		return nil
	}
	return ask(r.opts.Policy.Read, path, noRead(path, r.opts.Root))
}

// mayWritePath asks for the directory of a layout.
func (r *Run) mayWritePath(path string) error {
	return ask(r.opts.Policy.Out, path, noOut(path, r.opts.Root))
}

// mayReach asks for a host, as a reference has it.
func (r *Run) mayReach(host string) error {
	host = spellHost(host)
	return ask(r.opts.Policy.Net, host, noNet(host))
}

// mayReachURL asks for the host of a URL.
func (r *Run) mayReachURL(u *url.URL) error {
	host := u.Host
	if u.Scheme == "http" {
		host = strings.TrimSuffix(host, ":80")
	}
	return r.mayReach(host)
}

// mayExchange asks for the server to which a key is sent for a token. Google's own is not asked for: it is the token server of the registries that keys are for.
func (r *Run) mayExchange(server *url.URL) error {
	if server.Scheme == "https" && server.Host == "oauth2.googleapis.com" {
		return nil
	}
	return r.mayReachURL(server)
}

// mayUse asks for a registry repository, or for an image of a Docker daemon, which counts as a host of the name of its transport. In a run that is hermetic, being
// pushed to is reason enough to be spoken to.
func (r *Run) mayUse(ref transport.Reference, write bool) error {
	host := ref.Host
	if ref.Transport == transport.DockerDaemon {
		host = transport.DockerDaemon
	}
	pushed := r.pushReaches(ref, write)
	if write || pushed {
		repository := spellHost(host) + "/" + ref.Repository
		if err := ask(r.opts.Policy.Push, repository, noPush(repository)); err != nil {
			return err
		}
	}
	if pushed {
		return nil
	}
	return r.mayReach(host)
}
