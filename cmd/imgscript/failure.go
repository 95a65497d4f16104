package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/imgscript/imgscript/starlib"
)

// failure is what a command ends with when it did not do what it was asked: the error to show, and what was left undone because of it.
type failure struct {
	shown  *starlib.Error
	undone string // "not saved: …"; "" is nothing
}

// Error implements error.
func (f *failure) Error() string { return f.shown.Error() }

// showError makes the end of the program of an error. It is shown when the command is over.
func showError(failed *starlib.Error, undone string) error { return &failure{failed, undone} }

// failureOf is the end that an error of a command stands for.
func failureOf(err error) *failure {
	var failed *failure
	var usage *usageError
	switch {
	case errors.As(err, &failed):
		return failed
	case errors.As(err, &usage):
		msg := strings.ReplaceAll(usage.msg, "\n  ", "\n") // the lines below the first are indented where they are shown
		return &failure{shown: &starlib.Error{Kind: starlib.KindUsage, Msg: msg, Hint: usage.hint}}
	}
	return &failure{shown: &starlib.Error{Kind: starlib.KindScript, Msg: err.Error()}} // stdout could not be written
}

// show writes the error, for people or as an object.
func (f *failure) show(stderr io.Writer, asJSON bool) {
	switch {
	case asJSON:
		encoder := json.NewEncoder(stderr)
		encoder.SetEscapeHTML(false)
		_ = encoder.Encode(f.object()) // there is nobody left to tell
		return
	case f.shown.Kind == starlib.KindInterrupted:
		fmt.Fprintln(stderr, "error: interrupted")
	default:
		fmt.Fprint(stderr, f.shown.Detail())
	}
	if f.undone != "" {
		fmt.Fprintln(stderr, f.undone)
	}
}

// wantsJSON reports whether a command line asks for errors as objects, also one that is wrong elsewhere.
func wantsJSON(args []string) bool {
	return jsonErrors(lastValue(args, "--error-format"), lastValue(args, "--progress"))
}

// lastValue is what a command line gives a flag; "" if nothing.
func lastValue(args []string, flag string) (value string) {
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if given, ok := strings.CutPrefix(arg, flag+"="); ok {
			value = given
		} else if arg == flag && i+1 < len(args) {
			value = args[i+1]
		}
	}
	return value
}

// errorJSON is the line of --error-format json. None of its names is renamed or removed.
type errorJSON struct {
	Kind     starlib.Kind  `json:"kind"`
	ExitCode int           `json:"exit_code"`
	Message  string        `json:"message"`
	Hint     string        `json:"hint"`
	Position *positionJSON `json:"position"`  // the text to blame; null when that is no text of a script
	Frames   []frameJSON   `json:"frames"`    // how the script came there, the outermost call or load last
	NeededBy *neededJSON   `json:"needed_by"` // null when nothing waited
	Undone   string        `json:"undone"`    // what was not saved or copied
	More     []moreJSON    `json:"more"`      // the other errors of the same file, by position
}

// positionJSON is a text in a file. Lines and columns begin with 1, columns count characters, and the end is behind the last of them.
type positionJSON struct {
	File      string `json:"file"`
	Line      int    `json:"line"` // 0 when the whole file is meant
	Column    int    `json:"column"`
	EndLine   int    `json:"end_line"` // 0 when only a point is known
	EndColumn int    `json:"end_column"`
	Source    string `json:"source"` // the first line of it
}

// frameJSON is a place from which a function was called or a file was loaded.
type frameJSON struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Function string `json:"function"` // that the place is in; "" at the top level of a file
}

// neededJSON is what waited for that which failed.
type neededJSON struct {
	What   string      `json:"what"`   // "save()"
	Frames []frameJSON `json:"frames"` // where, and how the script came there
}

// moreJSON is another error of the file.
type moreJSON struct {
	Message  string        `json:"message"`
	Hint     string        `json:"hint"`
	Position *positionJSON `json:"position"`
}

func (f *failure) object() *errorJSON {
	e := f.shown
	o := &errorJSON{
		Kind: e.Kind, ExitCode: exitCode(e.Kind), Message: e.Msg, Hint: e.Hint, Position: positionOf(e.Step), Frames: []frameJSON{}, Undone: f.undone, More: []moreJSON{},
	}
	if e.Kind == starlib.KindInterrupted {
		o.Message = "interrupted"
	}
	if len(e.Step) > 0 {
		o.Frames = framesOf(e.Step[1:])
	}
	if len(e.Needed) > 0 {
		o.NeededBy = &neededJSON{e.NeededBy, framesOf(e.Needed)}
	}
	for _, more := range e.More {
		o.More = append(o.More, moreJSON{more.Msg, more.Hint, positionOf(more.Step)})
	}
	return o
}

func positionOf(step []starlib.Frame) *positionJSON {
	if len(step) == 0 {
		return nil
	}
	at := step[0]
	return &positionJSON{at.File, at.Line, at.Col, at.EndLine, at.EndCol, at.Source}
}

func framesOf(frames []starlib.Frame) []frameJSON {
	list := []frameJSON{}
	for _, f := range frames {
		list = append(list, frameJSON{f.File, f.Line, f.Col, f.Function})
	}
	return list
}
