package starlib

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layer"
	"github.com/imgscript/imgscript/core/lock"
	"github.com/imgscript/imgscript/core/registry"
)

// explain makes the error of a run into one for people.
func (s *session) explain(err error) *Error {
	var step *build.StepError
	var lost *build.LostChangeError
	var e *Error
	source := func(path string) []byte { return s.sources[path] }
	switch {
	case errors.As(err, &step):
		e = &Error{Msg: step.Error(), Hint: hintOf(err), err: err, Step: framesOf(step.At)}
		if needed := framesOf(step.NeededBy); len(needed) > 0 && !sameFrames(needed, e.Step) {
			e.Needed, e.NeededBy = needed, neededBy(step.NeededOp)
		}
	case errors.As(err, &lost):
		e = LostChange(lost.Op)
		e.Step, e.err = framesOf(lost.At), err
	default:
		e = asError(err, source)
	}
	if stopped := (*stoppedError)(nil); errors.As(err, &stopped) {
		e.Msg = stopped.Error()
	}
	t := newTexts(source)
	e.addPlaces(t)
	if e.Kind == "" || e.Kind == KindScript || e.Kind == KindInterrupted {
		e.Kind = kindOf(err)
	}
	if e.Hint == "" {
		e.Hint = s.hintFor(err)
	}
	e.addHints(t)
	return e
}

// Explain makes an error of package build into one for people: with its kind and, where there is one, a hint. It is for programs that call that package without a
// script, and show errors as those of scripts are shown. nil stays nil.
func Explain(err error) *Error {
	if err == nil {
		return nil
	}
	return (&session{}).explain(err)
}

func framesOf(at build.Origin) []Frame {
	if at, ok := at.(site); ok {
		return at.frames
	}
	return nil
}

func sameFrames(a, b []Frame) bool {
	return len(a) == len(b) && len(a) > 0 && a[0] == b[0]
}

// neededBy shows a call as one.
func neededBy(op string) string {
	if strings.ContainsAny(op, ".(") {
		return op
	}
	return op + "()"
}

// kindOf sorts an error by what it is about.
func kindOf(err error) Kind {
	var answer *registry.Error
	switch {
	case errors.Is(err, build.ErrInterrupted):
		return KindInterrupted
	case errors.Is(err, build.ErrLimit):
		return KindScript
	case errors.Is(err, build.ErrPolicy), errors.Is(err, build.ErrLocked), errors.Is(err, build.ErrOffline), errors.As(err, new(*lock.Error)):
		return KindPolicy
	case errors.Is(err, registry.ErrDenied):
		return KindCredentials
	case errors.Is(err, registry.ErrUnreachable), errors.As(err, &answer):
		return KindRegistry
	}
	return KindScript
}

// hintFor is the thing to do about errors of the engine.
func (s *session) hintFor(err error) string {
	var file *layer.Error
	var answer *registry.Error
	var step *build.StepError
	switch {
	case errors.As(err, &file) && errors.Is(file, fs.ErrNotExist) && !strings.HasPrefix(file.Source, "//"):
		hint := s.relativeHint()
		if file.Hint != "" {
			hint += "; " + file.Hint
		}
		return hint
	case errors.As(err, &file) && file.Hint != "":
		return file.Hint
	case errors.Is(err, build.ErrCacheFull):
		return "free some space, with `imgscript cache prune` or otherwise, or name another directory with --cache-dir"
	case errors.Is(err, build.ErrReadOnly):
		return "client(…, write = True) makes one that may write"
	case errors.As(err, &answer) && errors.Is(answer, registry.ErrDenied) && answer.Op != "login":
		hint := fmt.Sprintf("log in with `imgscript login %s`", hostOf(answer.Repository))
		if s.file != "" {
			hint += ", or give credentials with auth = {…}"
		}
		return hint
	case errors.As(err, &answer):
		return answerHint(answer)
	case errors.As(err, &step) && step.Op == "fetch" && errors.Is(err, content.ErrVerification):
		return "something else is there now: look what it is, and write its digest if it is right"
	}
	return ""
}

const tooManyRequests = 429 // as HTTP has it

// answerHint is the thing to do about a registry that did not do what it was asked.
func answerHint(answer *registry.Error) string {
	host := hostOf(answer.Repository)
	switch {
	case speaksPlainHTTP(answer):
		return fmt.Sprintf("if %s may be spoken to without TLS, run with --insecure-registry %s", host, host)
	case answer.Status == tooManyRequests:
		return fmt.Sprintf("%s limits how often it is asked: wait, log in with `imgscript login %s`, or name a mirror in the --registry-config", host, host)
	case answer.Status >= 500:
		return fmt.Sprintf("that is a failure of %s itself: try again later, or ask those who run it", host)
	case errors.Is(answer, content.ErrIncomplete):
		return "what a manifest names has to be there before it: upload(), mount() or copy_blob() bring blobs"
	case errors.Is(answer, content.ErrNotFound) && answer.Op == "read" && !strings.HasPrefix(answer.Subject, "blob "):
		return fmt.Sprintf("check the spelling; what is private may look as if it were missing, so `imgscript login %s` may help", host)
	case answer.Refused():
		return fmt.Sprintf("nothing listens at %s: is the registry running, and is the port the right one?", host)
	case answer.UnknownHost():
		return fmt.Sprintf("check the spelling of %s, and the network", host)
	}
	return ""
}

// speaksPlainHTTP reports whether a host answered a TLS handshake with something else, as crypto/tls and net/http put it.
func speaksPlainHTTP(err error) bool {
	text := err.Error()
	return strings.Contains(text, "server gave HTTP response to HTTPS client") || strings.Contains(text, "first record does not look like a TLS handshake")
}

func (s *session) relativeHint() string { return "paths are relative to the directory of " + s.file }

// pathHint says where paths begin, and what may have been meant, when a file is missing.
func (s *session) pathHint(err error, path string) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var hints []string
	if !strings.HasPrefix(path, "//") {
		hints = append(hints, s.relativeHint())
	}
	if near := s.near(path); near != "" {
		hints = append(hints, fmt.Sprintf("did you mean %q?", near))
	}
	return withHint(err, strings.Join(hints, "; "))
}

func hostOf(repository string) string {
	host, _, _ := strings.Cut(repository, "/")
	return host
}
