package manual

import (
	"strings"

	"github.com/mattn/go-runewidth"
)

// page is a text for a terminal as it grows.
type page struct {
	width int // 0 is any
	text  strings.Builder
}

// indentation is how far each level is from the left.
const indentation = 4

// gap writes an empty line, unless the page begins here.
func (p *page) gap() {
	if p.text.Len() > 0 {
		p.text.WriteByte('\n')
	}
}

// section begins a part of the page.
func (p *page) section(heading string) {
	p.gap()
	p.line(0, heading+":")
}

// line writes lines as they are.
func (p *page) line(level int, s string) {
	for line := range strings.SplitSeq(s, "\n") {
		if line != "" {
			line = strings.Repeat(" ", level*indentation) + line
		}
		p.text.WriteString(line + "\n")
	}
}

// code writes a part of a script as it is: to break its lines would change it.
func (p *page) code(level int, s string) { p.line(level, s) }

// cut writes one line, with an ellipsis where it would be too wide.
func (p *page) cut(level int, s string) {
	s = strings.Repeat(" ", level*indentation) + s
	if p.width > 0 {
		s = terminal().Truncate(s, p.width, "…")
	}
	p.text.WriteString(s + "\n")
}

// paragraphs writes a text whose lines are broken anew. Lines that begin with "- " stay where they begin.
func (p *page) paragraphs(level int, s string) {
	for i, paragraph := range strings.Split(s, "\n\n") {
		if i > 0 {
			p.gap()
		}
		var items []string
		for line := range strings.SplitSeq(paragraph, "\n") {
			if len(items) == 0 || strings.HasPrefix(line, "- ") {
				items = append(items, line)
			} else {
				items[len(items)-1] += " " + strings.TrimSpace(line)
			}
		}
		for _, item := range items {
			p.wrap(level, item)
		}
	}
}

// wrap breaks a text into lines. What is below an item of a list is indented as its text is.
func (p *page) wrap(level int, s string) {
	indent := strings.Repeat(" ", level*indentation)
	hanging := indent
	if strings.HasPrefix(s, "- ") {
		hanging += "  "
	}
	line := indent
	for _, word := range p.words(s, p.width-len(hanging)) {
		switch {
		case strings.TrimSpace(line) == "":
			line += word
		case p.width > 0 && columns(line)+1+columns(word) > p.width:
			p.text.WriteString(line + "\n")
			line = hanging + word
		default:
			line += " " + word
		}
	}
	p.text.WriteString(line + "\n")
}

// words cuts a text at its spaces, but for those in backquotes: code stays in one line if it fits into one.
func (p *page) words(s string, width int) []string {
	var words []string
	for i, part := range strings.Split(s, "`") {
		if i%2 == 1 && columns(part)+len("``,") <= width {
			part = strings.ReplaceAll(part, " ", hardSpace)
		}
		if i > 0 {
			part = "`" + part
		}
		words = append(words, part)
	}
	words = strings.Fields(strings.Join(words, ""))
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], hardSpace, " ")
	}
	return words
}

// hardSpace stands for a space that is no place to break a line: a rune that no text has.
const hardSpace = "\x00"

// columns is how wide a text is.
func columns(s string) int { return terminal().StringWidth(s) }

// terminal is how wide runes are taken to be, whatever the locale says.
func terminal() *runewidth.Condition { return &runewidth.Condition{StrictEmojiNeutral: true} }
