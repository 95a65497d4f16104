package layer

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
)

var (
	// ErrChanged says that a local file or directory changed between being found and being read to its end.
	ErrChanged = errors.New("changed while it was read")
	// ErrOutside says that a path or a link leaves the root of its Tree or of the layer.
	ErrOutside = errors.New("leaves the root")
	// ErrLoop says that links lead back to themselves, or into a directory that contains them.
	ErrLoop = errors.New("loop of symbolic links")
	// ErrConflict says that two sources of a call want the same path.
	ErrConflict = errors.New("path is taken twice")
	// ErrTar says that an archive is malformed, cut short or followed by something else.
	ErrTar = errors.New("bad tar archive")
	// ErrTooManyFiles says that a layer would have more entries than the options allow.
	ErrTooManyFiles = errors.New("too many files in one layer")
	// ErrTooLarge says that a layer would have more bytes than the options allow.
	ErrTooLarge = errors.New("too many bytes in one layer")
)

// Error says what is wrong with one path of one source.
type Error struct {
	Source string // how the call names the source; "" when it has no name
	Path   string // what is bad: Source, a path below it as the call would write it, or a path in the layer
	Err    error
	Hint   string // what to do about it; "" when there is nothing to say
}

// Error returns the message without the hint: "./dist/a: permission denied", or "custom_file: /a: …" for what is no local path.
func (e *Error) Error() string {
	if e.Source == "" || e.Source == e.Path || strings.HasPrefix(e.Path, strings.TrimSuffix(e.Source, "/")+"/") {
		return fmt.Sprintf("%s: %v", quoted(e.Path), e.Err)
	}
	return fmt.Sprintf("%s: %s: %v", quoted(e.Source), quoted(e.Path), e.Err)
}

// quoted is a path as it was written, in quotes if it holds what a terminal acts on or what ends a path in a message.
func quoted(p string) string {
	if q := strconv.Quote(p); q != `"`+p+`"` || p == "" || strings.ContainsAny(p, " :") {
		return q
	}
	return p
}

// written is the path of a file as the call would write it that names the source; rel is the file's path in the source.
func written(source, rel string) string {
	if rel == "" {
		return source
	}
	return strings.TrimSuffix(source, "/") + "/" + rel
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Errors are all that is wrong with the sources of a call, sorted by path. errors.Is and errors.As look into each.
type Errors []error

// shown is how many errors the message of Errors spells out.
const shown = 20

// Error lists the errors, one a line, and only counts those after the first twenty.
func (e Errors) Error() string {
	var b strings.Builder
	for i, err := range e {
		if i == shown {
			fmt.Fprintf(&b, "\nand %d more", len(e)-shown)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(err.Error())
	}
	return b.String()
}

// Unwrap returns the errors.
func (e Errors) Unwrap() []error { return e }

// start runs f in a goroutine of group. A panic of a file system, stream or store, which would end the program from a goroutine that nobody else can
// guard, becomes an error.
func start(group *errgroup.Group, f func() error) {
	group.Go(func() (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		return f()
	})
}
