package lock

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Error is a damaged lock file: where, why, and what to do about it.
type Error struct {
	File string // as Parse was told
	Line int    // from 1
	Msg  string
	Do   string // what to do
}

// Error returns "file:line: message".
func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg) }

// Hint is what to do about it.
func (e *Error) Hint() string { return e.Do }

// What to do about a damaged file.
const (
	doRestore = "restore the line from version control, or delete the line and lock the image anew with `imgscript update FILE.star`"
	doAnew    = "restore the file from version control, or delete it and make it anew with `imgscript update FILE.star`"
	doMerge   = "keep the lines of both sides, one for each reference and platform, and delete those that begin with <<<<<<<, |||||||, ======= or >>>>>>>"
	doNewer   = "use the imgscript that wrote it, or a newer one"
	doOne     = "keep one of the two lines"
	doSame    = "keep the lines of the reference that come from one side of the merge, or delete all of them and lock it anew with `imgscript update FILE.star %s`"
)

// maxSize is the size in bytes up to which a file is read; an entry takes about 300.
const maxSize = 16 << 20

// Parse reads a lock file; name is what errors call it. Refused are merge conflicts, what is no JSON object, unknown versions and fields, names that are there
// twice, malformed entries, and entries of one reference that contradict each other: each as an *[Error] with the line.
func Parse(name string, data []byte) (*File, error) {
	p := &parser{name, data}
	f, err := p.file()
	if err != nil {
		return nil, err
	}
	return f, nil
}

// parser knows the whole text, for the lines of what it refuses.
type parser struct {
	name string
	data []byte
}

// fail is an error at an offset of the text.
func (p *parser) fail(at int, do, format string, args ...any) *Error {
	at = min(max(at, 0), len(p.data))
	return &Error{File: p.name, Line: 1 + bytes.Count(p.data[:at], []byte("\n")), Msg: fmt.Sprintf(format, args...), Do: do}
}

func (p *parser) file() (*File, error) {
	if err := p.text(); err != nil {
		return nil, err
	}
	members, err := p.members(p.data, 0)
	if err != nil {
		return nil, err
	}
	if err := p.version(members); err != nil {
		return nil, err
	}
	f := &File{}
	places := map[Entry]int{}
	for _, m := range members {
		if m.name == "version" {
			continue
		}
		e, err := p.entry(m)
		if err != nil {
			return nil, err
		}
		f.entries = append(f.entries, e)
		places[e] = m.at
	}
	slices.SortFunc(f.entries, order)
	return f, p.oneRoot(f.entries, places)
}

// text refuses what is no JSON, with a word of its own for what version control and power failures leave behind.
func (p *parser) text() error {
	if len(p.data) > maxSize {
		return p.fail(0, doAnew, "more than %d bytes", maxSize)
	}
	for at := 0; at < len(p.data); {
		line, _, _ := bytes.Cut(p.data[at:], []byte("\n"))
		if isConflict(line) {
			return p.fail(at, doMerge, "a merge conflict that is not resolved")
		}
		at += len(line) + 1
	}
	if len(bytes.Trim(p.data, " \t\r\n\x00")) == 0 {
		return p.fail(0, doAnew, "the file is empty")
	}
	for at := 0; at < len(p.data); {
		r, size := utf8.DecodeRune(p.data[at:])
		if r == utf8.RuneError && size == 1 {
			return p.fail(at, doRestore, "not UTF-8")
		}
		at += size
	}
	var value json.RawMessage
	var syntax *json.SyntaxError
	if err := json.Unmarshal(p.data, &value); errors.As(err, &syntax) {
		return p.fail(int(syntax.Offset)-1, doRestore, "not JSON: %v", syntax)
	} else if err != nil {
		return p.fail(0, doAnew, "not JSON: %v", err)
	}
	return nil
}

// isConflict tells the lines that git puts around the sides of a conflict.
func isConflict(line []byte) bool {
	for _, mark := range []string{"<<<<<<<", "|||||||", "=======", ">>>>>>>"} {
		if rest, ok := bytes.CutPrefix(line, []byte(mark)); ok && (len(rest) == 0 || rest[0] == ' ' || rest[0] == '\r') {
			return true
		}
	}
	return false
}

// member is one of a JSON object.
type member struct {
	name  string
	value json.RawMessage
	at    int // where the name ends
	from  int // where the value begins
}

// members lists those of an object, valid JSON that begins at an offset of the text, each name once.
func (p *parser) members(data []byte, from int) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, p.fail(from, doRestore, "want a JSON object here")
	}
	var list []member
	seen := map[string]int{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, p.fail(from, doRestore, "not JSON: %v", err)
		}
		m := member{name: name.(string), at: from + int(dec.InputOffset())}
		if err := dec.Decode(&m.value); err != nil {
			return nil, p.fail(m.at, doRestore, "not JSON: %v", err)
		}
		m.from = from + int(dec.InputOffset()) - len(m.value)
		if first, ok := seen[m.name]; ok {
			return nil, p.fail(m.at, doOne, "%q is here for the second time, after line %d", m.name, p.fail(first, "", "").Line)
		}
		seen[m.name] = m.at
		list = append(list, m)
	}
	if _, err := dec.Token(); err != nil && !errors.Is(err, io.EOF) {
		return nil, p.fail(from, doRestore, "not JSON: %v", err)
	}
	return list, nil
}

// version refuses files of another form before anything else of them is looked at.
func (p *parser) version(members []member) error {
	i := slices.IndexFunc(members, func(m member) bool { return m.name == "version" })
	if i < 0 {
		return p.fail(0, doAnew, `it has no "version"`)
	}
	if got := string(members[i].value); got != fmt.Sprint(version) {
		return p.fail(members[i].at, doNewer, "version %s is not known; this imgscript reads version %d", short(got), version)
	}
	return nil
}

// entry reads one member.
func (p *parser) entry(m member) (Entry, error) {
	reference, platform, ok := strings.Cut(m.name, " ")
	if !ok {
		return Entry{}, p.fail(m.at, doNewer, "unknown field %q", short(m.name))
	}
	e := Entry{Reference: reference, Platform: platform}
	fields, err := p.members(m.value, m.from)
	if err != nil {
		return Entry{}, err
	}
	values := map[string]*string{"index": (*string)(&e.Index), "manifest": (*string)(&e.Manifest), "media_type": &e.MediaType}
	for _, field := range fields {
		value, known := values[field.name]
		if !known {
			return Entry{}, p.fail(field.at, doNewer, "%q: unknown field %q", short(m.name), short(field.name))
		}
		if err := json.Unmarshal(field.value, value); err != nil || field.value[0] != '"' {
			return Entry{}, p.fail(field.at, doRestore, "%q: %q: want a string", short(m.name), field.name)
		}
	}
	if err := e.check(); err != nil {
		return Entry{}, p.fail(m.at, doRestore, "%q: %v", short(m.name), err)
	}
	return e, nil
}

// oneRoot refuses entries of one reference that say that it stands for two things, which a merge can leave.
func (p *parser) oneRoot(sorted []Entry, places map[Entry]int) error {
	for i := 1; i < len(sorted); i++ {
		a, b := sorted[i-1], sorted[i]
		if !a.contradicts(b) {
			continue
		}
		if places[a] > places[b] {
			a, b = b, a
		}
		return p.fail(places[b], fmt.Sprintf(doSame, b.Reference), "%s stands for %s here and for %s on line %d", b.Reference, b.Root(), a.Root(), p.fail(places[a], "", "").Line)
	}
	return nil
}

// short cuts what somebody wrote to what a message can bear.
func short(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
