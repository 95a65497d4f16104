package starlib

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
)

// session is one run of a script: what its values share. All of it belongs to the goroutine that runs the script.
type session struct {
	rt      *Runtime
	run     *build.Run
	file    string           // the script's path below the root
	thread  *starlark.Thread // the one that runs now: of the script, or of a module
	loading []string         // the modules that are being loaded, the script itself included when a function of it is called
	running bool             // the script itself runs, and is no module
	modules map[string]*module
	sources map[string][]byte // of the files that ran, for messages
	images  []*imageValue
	vars    map[string]bool // that were asked for
	globals starlark.StringDict
	value   starlark.Value
	names   starlark.StringDict // predeclared
	limits  Limits
	printed int64             // bytes
	over    *build.LimitError // the limit that stopped a thread
}

const sessionKey = "imgscript session"

func newSession(rt *Runtime, file string) *session {
	s := &session{rt: rt, limits: rt.opts.Limits.withDefaults(), file: file, modules: map[string]*module{}, sources: map[string][]byte{}, vars: map[string]bool{}}
	s.names = predeclared()
	maps.Copy(s.names, rt.opts.Predeclared)
	return s
}

// sessionOf finds the session of a script's thread. It is an error when a host's thread calls a built-in of ours.
func sessionOf(thread *starlark.Thread) (*session, error) {
	if s, ok := thread.Local(sessionKey).(*session); ok {
		return s, nil
	}
	return nil, errNoSession
}

var errNoSession = errors.New("this function works in scripts that a starlib.Runtime runs")

// Context returns the context of the run that a thread belongs to, for built-ins of the embedding program: it ends when the run does, or is cancelled. For a thread that no Runtime
// started it is the background.
func Context(thread *starlark.Thread) context.Context {
	if s, err := sessionOf(thread); err == nil {
		return s.run.Context()
	}
	return context.Background()
}

var fileOptions = syntax.FileOptions{Set: true, TopLevelControl: true, GlobalReassign: true}

func (s *session) newThread(name string) *starlark.Thread {
	thread := &starlark.Thread{Name: name, Load: s.load, Print: s.print}
	thread.SetLocal(sessionKey, s)
	return thread
}

// on runs f on a thread, which stops when the run's context ends or a limit is reached.
func (s *session) on(thread *starlark.Thread, f func() error) error {
	outer := s.thread
	s.thread = thread
	if outer != nil {
		thread.Steps = outer.Steps
		defer func() { outer.Steps = thread.Steps }()
	}
	s.limit(thread)
	stop := context.AfterFunc(s.run.Context(), func() { thread.Cancel("interrupted") })
	defer func() {
		stop()
		s.thread = outer
	}()
	return f()
}

func (s *session) print(thread *starlark.Thread, msg string) {
	if s.printed += int64(len(msg)) + 1; s.printed > s.limits.PrintBytes {
		s.stop(thread, &build.LimitError{Text: "the script prints more than " + build.Bytes(s.limits.PrintBytes), Flag: "--max-print-bytes"})
		return
	}
	if s.rt.opts.Print != nil {
		s.rt.opts.Print(thread.CallFrame(1).Pos, msg)
	}
}

// runFile runs the script itself.
func (s *session) runFile(src any) error {
	source, err := s.source(s.file, src)
	if err != nil {
		return err
	}
	if err := checkText(s.file, source); err != nil {
		return err
	}
	if err := s.checkVars(source); err != nil {
		return err
	}
	s.running = true
	globals, err := s.execFile(s.thread, s.file, source)
	s.globals = globals
	if err != nil {
		return err
	}
	return s.finish()
}

// runFunction loads the script as a module and calls a function of it.
func (s *session) runFunction(name string, args starlark.Tuple) error {
	if source, err := s.source(s.file, nil); err == nil { // else loading it tells
		if err := s.checkVars(source); err != nil {
			return err
		}
	}
	globals, err := s.loadFile(s.file)
	if err != nil {
		return err
	}
	s.globals = globals
	fn, ok := globals[name]
	if !ok {
		return s.noFunction(name, globals)
	}
	if _, ok := fn.(starlark.Callable); !ok {
		return &Error{Kind: KindUsage, Msg: fmt.Sprintf("%s: %s is %s, not a function", s.file, name, withArticle(fn.Type()))}
	}
	if s.value, err = starlark.Call(s.thread, fn, args, nil); err != nil {
		return err
	}
	return s.finish()
}

func (s *session) noFunction(name string, globals starlark.StringDict) error {
	var functions []string
	for _, global := range slices.Sorted(maps.Keys(globals)) {
		if _, ok := globals[global].(*starlark.Function); ok && !strings.HasPrefix(global, "_") {
			functions = append(functions, global)
		}
	}
	e := &Error{Kind: KindUsage, Msg: fmt.Sprintf("%s has no function %q", s.file, name)}
	if len(functions) > 0 {
		e.Hint = "it has " + strings.Join(functions, ", ")
	}
	return e
}

// finish is the end of a script that ran through: what it set on images and never saved is told to the run, which knows whether that was lost.
func (s *session) finish() error {
	for _, img := range s.images {
		if err := img.flush(); err != nil {
			return err
		}
	}
	return unusedVars(s.ownVars(), s.vars)
}

// source is the text of a file, kept for messages.
func (s *session) source(file string, src any) ([]byte, error) {
	var text []byte
	switch src := src.(type) {
	case nil:
		data, err := s.run.ReadScript("//"+file, s.limits.SourceBytes)
		if errors.Is(err, content.ErrTooLarge) {
			return nil, s.longSource(file)
		}
		if err != nil {
			return nil, &Error{Kind: KindUsage, Msg: strings.TrimPrefix(err.Error(), "//"), Hint: s.fileHint(err, file), err: withHint(err, s.fileHint(err, file))}
		}
		text = data
	case string:
		text = []byte(src)
		s.noteSource(file, text)
	case []byte:
		text = src
		s.noteSource(file, text)
	default:
		return nil, &Error{Kind: KindUsage, Msg: fmt.Sprintf("src is a %T; want a string, []byte or nil", src)}
	}
	if int64(len(text)) > s.limits.SourceBytes {
		return nil, s.longSource(file)
	}
	s.sources[file] = text
	return text, nil
}

// noteSource notes a script whose text the host gave.
func (s *session) noteSource(file string, text []byte) {
	s.run.NoteInput(build.Input{Kind: build.InputScript, Name: "//" + file, Digest: digest.FromBytes(text), Size: int64(len(text))})
}

func (s *session) longSource(file string) error {
	return &build.LimitError{Text: file + " has more than " + build.Bytes(s.limits.SourceBytes), Flag: "--max-source-bytes"}
}

// module is a file that was loaded.
type module struct {
	globals starlark.StringDict
	err     error
}

// load implements the load statement.
func (s *session) load(thread *starlark.Thread, name string) (starlark.StringDict, error) {
	if host, ok := strings.CutPrefix(name, "@"); ok {
		globals, ok := s.rt.opts.Modules[host]
		if !ok {
			return nil, fmt.Errorf("there is no module %q: this program has none of that name", name)
		}
		return globals, nil
	}
	file, err := modulePath(thread.CallFrame(0).Pos.Filename(), name)
	if err != nil {
		return nil, err
	}
	return s.loadFile(file)
}

// chain are the files that are being run, each loaded by the one before.
func (s *session) chain() []string {
	if s.running {
		return append([]string{s.file}, s.loading...)
	}
	return slices.Clone(s.loading)
}

// unreadError is why a module could not be read.
type unreadError struct {
	text  string
	cause error
}

// Error implements error.
func (e *unreadError) Error() string { return e.text }

// Unwrap returns the cause.
func (e *unreadError) Unwrap() error { return e.cause }

// loadFile runs a file once, as a module: its images are templates, and its values are frozen.
func (s *session) loadFile(file string) (starlark.StringDict, error) {
	if m, ok := s.modules[file]; ok {
		return m.globals, m.err
	}
	if chain := s.chain(); slices.Contains(chain, file) {
		return nil, fmt.Errorf("files load each other: %s", strings.Join(append(chain[slices.Index(chain, file):], file), " → "))
	}
	if int64(len(s.modules)+len(s.loading)) >= s.limits.Modules {
		return nil, &build.LimitError{Text: fmt.Sprintf("more than %d files are loaded", s.limits.Modules), Flag: "--max-modules"}
	}
	source, err := s.source(file, nil)
	if err != nil {
		if len(s.loading) == 0 && s.thread.CallStackDepth() == 0 {
			return nil, err
		}
		if errors.Is(err, build.ErrLimit) {
			return nil, err
		}
		return nil, &unreadError{err.Error(), errors.Unwrap(err)} // of the load statement, not of the run
	}
	if err := checkText(file, source); err != nil {
		return nil, err
	}
	s.loading = append(s.loading, file)
	var globals starlark.StringDict
	inner := s.newThread(file)
	err = s.on(inner, func() (err error) {
		globals, err = s.execFile(inner, file, source)
		return err
	})
	s.loading = s.loading[:len(s.loading)-1]
	s.modules[file] = &module{globals, err}
	return globals, err
}
