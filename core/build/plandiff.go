package build

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Diff compares two plans, and returns nothing when they are equal. Otherwise it returns the lines in which they differ, as diff does: those of p alone begin
// with "-", those of other alone with "+", and before the lines of each write stands, with a space, what it is.
func (p *Plan) Diff(other *Plan) []string {
	one, two := p.lines(), other.lines()
	var diff []string
	shown := ""
	for _, e := range edits(one, two) {
		if e.sign == ' ' {
			continue
		}
		if !e.line.first && e.line.of != shown {
			diff = append(diff, "  "+e.line.of)
		}
		shown = e.line.of
		diff = append(diff, string(e.sign)+" "+e.line.text)
	}
	return diff
}

// planLine is one line of a plan, with all that the JSON says in it.
type planLine struct {
	of    string // what the write is
	text  string
	first bool // of the write
}

func (p *Plan) lines() []planLine {
	var all []planLine
	for i := range p.Writes {
		all = append(all, p.Writes[i].lines()...)
	}
	return all
}

func (w *Write) lines() []planLine {
	name := w.Op + " " + w.Target
	head := name
	for _, part := range []struct{ name, value string }{
		{"from", w.From}, {"digest", w.Digest.String()}, {"type", w.MediaType}, {"bytes", number(w.Size)}, {"platforms", strings.Join(w.Platforms, ",")},
		{"referrers", number(int64(w.Referrers))},
	} {
		if part.value != "" {
			head += " " + part.name + " " + part.value
		}
	}
	if w.Unchanged {
		head += " unchanged"
	}
	list := []planLine{{name, head, true}}
	for _, b := range w.Blobs {
		text := fmt.Sprintf("  %s %s %s %d bytes ", b.Action, b.Kind, b.Digest, b.Size)
		if b.Source != "" {
			text += b.Source + " "
		}
		if b.Platform != "" {
			text += "for " + b.Platform + " "
		}
		text += "(" + b.MediaType
		if b.DiffID != "" {
			text += ", diff ID " + b.DiffID.String()
		}
		list = append(list, planLine{name, text + ")", false})
	}
	for _, t := range w.Tags {
		list = append(list, planLine{name, fmt.Sprintf("  tag %s %s → %s", t.Name, orNone(t.Old), orNone(t.New)), false})
	}
	return list
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func orNone(dgst digest.Digest) string {
	if dgst == "" {
		return "none"
	}
	return dgst.String()
}

// planEdit is a line that both have (' '), or one of them.
type planEdit struct {
	sign rune
	line planLine
}

// maxEdits bounds the table of edits. Of plans that differ in more lines, all of one come before all of the other.
const maxEdits = 1000

// edits makes two of one, by the longest common subsequence of what is between their equal ends.
func edits(one, two []planLine) []planEdit {
	start := 0
	for start < len(one) && start < len(two) && one[start] == two[start] {
		start++
	}
	end := 0
	for end < len(one)-start && end < len(two)-start && one[len(one)-1-end] == two[len(two)-1-end] {
		end++
	}
	a, b := one[start:len(one)-end], two[start:len(two)-end]
	if len(a) > maxEdits || len(b) > maxEdits {
		return slices.Concat(signed('-', a), signed('+', b))
	}
	return between(a, b)
}

func signed(sign rune, lines []planLine) []planEdit {
	var list []planEdit
	for _, line := range lines {
		list = append(list, planEdit{sign, line})
	}
	return list
}

func between(a, b []planLine) []planEdit {
	common := make([][]int32, len(a)+1) // of what follows i in a and k in b
	for i := range common {
		common[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for k := len(b) - 1; k >= 0; k-- {
			if common[i][k] = max(common[i+1][k], common[i][k+1]); a[i] == b[k] {
				common[i][k] = common[i+1][k+1] + 1
			}
		}
	}
	var list []planEdit
	i, k := 0, 0
	for i < len(a) && k < len(b) {
		switch {
		case a[i] == b[k]:
			list = append(list, planEdit{' ', a[i]})
			i, k = i+1, k+1
		case common[i+1][k] >= common[i][k+1]:
			list = append(list, planEdit{'-', a[i]})
			i++
		default:
			list = append(list, planEdit{'+', b[k]})
			k++
		}
	}
	return slices.Concat(list, signed('-', a[i:]), signed('+', b[k:]))
}
