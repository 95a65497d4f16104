package build

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/lock"
)

var (
	// ErrLocked says that the lock of a run lacks something or is out of date, or that a run which keeps to it was asked for what may change.
	ErrLocked = errors.New("not in the lock")
	// ErrOffline says that a run that is offline was asked for what the cache does not have, or for a registry.
	ErrOffline = errors.New("offline")
)

// LockError is what the lock or being offline forbids: an ErrLocked or an ErrOffline.
type LockError struct {
	Reference string // what it is about, in full; "" of a file that was to be fetched
	msg, hint string
	kind, err error
}

// Error says what is wrong and names the reference.
func (e *LockError) Error() string {
	if e.err != nil {
		return e.msg + ": " + e.err.Error()
	}
	return e.msg
}

// Hint is the command that helps, as it is to be typed.
func (e *LockError) Hint() string { return e.hint }

// Is makes it an ErrLocked or an ErrOffline.
func (e *LockError) Is(target error) bool { return target == e.kind }

// Unwrap returns the reason, or nil.
func (e *LockError) Unwrap() error { return e.err }

// command is a command line about the run's script: its verb and flags, and what stands behind the script.
func (l *locking) command(verb string, rest ...string) string {
	script := l.opts.Script
	if script == "" {
		script = "FILE.star"
	}
	return "`imgscript " + strings.Join(append([]string{verb, shellWord(script)}, rest...), " ") + "`"
}

// missing is a base that the lock does not have, at all or for a platform, in a run that may not find out for itself.
func (l *locking) missing(reference, platform string) error {
	msg := reference + " is not in " + lock.Name + platform
	if !l.strict() {
		return l.offline(reference, msg)
	}
	return &LockError{Reference: reference, kind: ErrLocked, msg: msg, hint: "lock it with " + l.command("update", reference)}
}

// lost makes of the error of a registry that no longer has what is locked one that says so. nil and other errors stay what they are.
func (l *locking) lost(reference string, dgst digest.Digest, err error) error {
	var known *LockError
	if !errors.Is(err, content.ErrNotFound) || errors.As(err, &known) {
		return err
	}
	return &LockError{
		Reference: reference, kind: ErrLocked, msg: fmt.Sprintf("%s is locked to %s, which its registry does not have any more", reference, dgst), err: err,
		hint: "lock what the tag stands for now with " + l.command("update", reference),
	}
}

// noPlatform is an index without the platform, which the one that the tag names now may have.
func (l *locking) noPlatform(reference string, index digest.Digest, err error) error {
	if !errors.Is(err, content.ErrNotFound) || len(l.inForce(reference)) == 0 {
		return err
	}
	return &LockError{
		Reference: reference, kind: ErrLocked, msg: fmt.Sprintf("%s is locked to %s", reference, index), err: err,
		hint: "what the tag stands for now may have it: lock that with " + l.command("update", reference),
	}
}

// strangeManifest is an entry whose index does not have its manifest: somebody edited the file.
func (l *locking) strangeManifest(e lock.Entry) error {
	return &LockError{
		Reference: e.Reference, kind: ErrLocked, hint: "lock it anew with " + l.command("update", e.Reference),
		msg: fmt.Sprintf("%s is locked to %s, which does not have the manifest %s that %s names for %s", e.Reference, e.Index, e.Manifest, lock.Name, e.Platform),
	}
}

// offline is something that needs the network and that a command brings into the cache.
func (l *locking) offline(reference, msg string) error {
	return &LockError{Reference: reference, kind: ErrOffline, msg: msg + ", and the run is offline", hint: l.command("update --download") + " locks it and brings it into the cache"}
}

// online is something that needs the network in any case.
func (l *locking) online(reference, msg string) error {
	return &LockError{Reference: reference, kind: ErrOffline, msg: msg + ", and the run is offline", hint: "run it without --offline: " + l.command("run")}
}
