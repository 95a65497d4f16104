// Package format gives scripts the format of buildifier, the formatter that people who write Starlark know.
package format

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/bazelbuild/buildtools/build"
	"go.starlark.net/syntax"

	"github.com/imgscript/imgscript/starlib"
)

// Source formats the text of a script. What the script means stays: that is checked, and what would change it is an error. name is for messages. A text that is not
// Starlark is a *[starlib.Error] with its place.
//
// It is the format that buildifier gives .star files, but for what moves or changes more than white space and quotes: names in a load statement are sorted and docstrings are
// indented, and load statements, arguments and lists stay where they are.
func Source(name string, text []byte) ([]byte, error) {
	before, err := starlib.Parse(name, text)
	if err != nil {
		return nil, err
	}
	if err := noLoops(before); err != nil {
		return nil, starlib.ExplainText(err, func(string) []byte { return text })
	}
	file, formatted := before, text
	for range maxPasses {
		last := formatted
		if formatted, err = pass(name, file, last); err != nil {
			return nil, err
		}
		if file, err = starlib.Parse(name, formatted); err != nil {
			return nil, fmt.Errorf("format: %s: buildifier would make of this script what does not parse: %v", name, err)
		}
		if !slices.Equal(shape(before), shape(file)) {
			return nil, fmt.Errorf("format: %s: buildifier would change what this script means", name)
		}
		if bytes.Equal(last, formatted) {
			return formatted, nil
		}
	}
	return nil, fmt.Errorf("format: %s: buildifier changes what it formatted itself", name)
}

// maxPasses is how often a text is formatted before it must be as it stays. Two are usual: the second shows that it stays.
const maxPasses = 5

// pass formats the text of a file once.
func pass(name string, file *syntax.File, text []byte) ([]byte, error) {
	prepared, restore, err := prepare(name, file, text)
	if err != nil {
		return nil, err
	}
	tree, err := build.ParseDefault(name, prepared)
	if err != nil {
		return nil, fmt.Errorf("format: buildifier does not know what this is: %w", err)
	}
	rewriter := &build.Rewriter{RewriteSet: []string{"loadsort", "formatdocstrings", "collapseEmpty"}}
	return []byte(restore.Replace(string(build.FormatWithRewriter(rewriter, tree)))), nil
}

// noLoops refuses while, which Starlark's parser takes, and neither this dialect nor buildifier.
func noLoops(file *syntax.File) error {
	var err error
	syntax.Walk(file, func(n syntax.Node) bool {
		if loop, ok := n.(*syntax.WhileStmt); ok && err == nil {
			pos := loop.While
			err = &starlib.Error{
				Kind: starlib.KindScript, Msg: "this Starlark dialect does not support while loops",
				Step: []starlib.Frame{{File: pos.Filename(), Line: int(pos.Line), Col: int(pos.Col)}},
			}
		}
		return err == nil
	})
	return err
}

// prepare makes of a text what buildifier can read, and returns what undoes in its result what must be undone: it wants indentation by spaces, and knows no bytes.
func prepare(name string, file *syntax.File, text []byte) ([]byte, *strings.Replacer, error) {
	if spaced := indentBySpaces(file, text); !bytes.Equal(spaced, text) {
		again, err := starlib.Parse(name, spaced)
		if err != nil {
			return nil, nil, err
		}
		file, text = again, spaced
	}
	prepared, restore := hideBytes(file, text)
	return prepared, restore, nil
}

// tabWidth is how far apart Starlark takes tabs to be.
const tabWidth = 8

// indentBySpaces replaces the tabs that lines begin with, but for lines that begin within a text.
func indentBySpaces(file *syntax.File, text []byte) []byte {
	within := map[int]bool{} // by the index of the line
	syntax.Walk(file, func(n syntax.Node) bool {
		if lit, ok := n.(*syntax.Literal); ok {
			for i := range strings.Count(lit.Raw, "\n") {
				within[int(lit.TokenPos.Line)+i] = true
			}
		}
		return true
	})
	lines := bytes.Split(text, []byte("\n"))
	for i, line := range lines {
		rest := bytes.TrimLeft(line, " \t")
		if indent := line[:len(line)-len(rest)]; !within[i] && bytes.ContainsRune(indent, '\t') {
			lines[i] = append(bytes.Repeat([]byte(" "), width(indent)), rest...)
		}
	}
	return bytes.Join(lines, []byte("\n"))
}

func width(indent []byte) int {
	n := 0
	for _, b := range indent {
		if n++; b == '\t' {
			n += (tabWidth - n%tabWidth) % tabWidth
		}
	}
	return n
}

// hideBytes puts names in the place of bytes literals, which buildifier does not know, and returns what puts them back.
func hideBytes(file *syntax.File, text []byte) ([]byte, *strings.Replacer) {
	prefix := "bytes"
	for bytes.Contains(text, []byte(prefix)) {
		prefix += "_"
	}
	lines := lineStarts(text)
	var hidden []byte
	var back []string
	end := 0
	syntax.Walk(file, func(n syntax.Node) bool {
		lit, ok := n.(*syntax.Literal)
		if !ok || lit.Token != syntax.BYTES {
			return true
		}
		start := offset(text, lines, lit.TokenPos)
		standIn := fmt.Sprintf("%s%d_", prefix, len(back)/2)
		hidden = append(append(hidden, text[end:start]...), standIn...)
		back = append(back, standIn, lit.Raw)
		end = start + len(lit.Raw)
		return true
	})
	return append(hidden, text[end:]...), strings.NewReplacer(back...)
}

// lineStarts are the offsets at which lines begin.
func lineStarts(text []byte) []int {
	starts := []int{0}
	for i, b := range text {
		if b == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

// offset is where a position is in a text. Columns count runes.
func offset(text []byte, lines []int, pos syntax.Position) int {
	at := lines[pos.Line-1]
	n := int32(1)
	for i := range string(text[at:]) {
		if n == pos.Col {
			return at + i
		}
		n++
	}
	return len(text)
}
