package starlib

import (
	"errors"
	"fmt"
	"strings"
)

// docstring is the text of a function in Google's style, taken apart.
type docstring struct {
	text    string // what stands before the sections; paragraphs are separated by empty lines
	args    []argDoc
	returns argDoc // without a name; empty when the function returns None
	errors  string
	example string
}

// argDoc is `name (type): text`, or `type: text` of what is returned.
type argDoc struct{ name, typ, text string }

// parseDocstring reads the docstring of a function: text, then the sections Args, Returns, Errors and Example, each at most once.
func parseDocstring(s string) (docstring, error) {
	var doc docstring
	head, sections, err := splitSections(dedent(s))
	if err != nil {
		return doc, err
	}
	doc.text = head
	for _, section := range sections {
		switch section.name {
		case "Args":
			doc.args, err = parseArgs(section.body)
		case "Returns":
			doc.returns, err = parseReturns(section.body)
		case "Errors":
			doc.errors = section.body
		case "Example":
			doc.example = section.body
		default:
			err = fmt.Errorf("unknown section %q", section.name)
		}
		if err != nil {
			return doc, err
		}
	}
	return doc, nil
}

type section struct {
	name  string
	lines []string
	body  string
}

// splitSections cuts a dedented docstring at lines such as "Args:".
func splitSections(s string) (head string, sections []section, err error) {
	all := []section{{}}
	for line := range strings.SplitSeq(s, "\n") {
		if name, ok := strings.CutSuffix(line, ":"); ok && name != "" && !strings.Contains(name, " ") {
			all = append(all, section{name: name})
			continue
		}
		last := &all[len(all)-1]
		last.lines = append(last.lines, line)
	}
	seen := map[string]bool{}
	for i := range all {
		one := &all[i]
		one.body = dedent("\n" + strings.Join(one.lines, "\n"))
		if i == 0 && one.body == "" {
			return "", nil, errors.New("has no description")
		}
		if seen[one.name] || one.body == "" {
			return "", nil, fmt.Errorf("section %q is empty or there twice", one.name)
		}
		seen[one.name] = true
	}
	return all[0].body, all[1:], nil
}

// parseArgs reads lines `name (type): text`, which deeper lines continue.
func parseArgs(s string) ([]argDoc, error) {
	var args []argDoc
	for line := range strings.SplitSeq(s, "\n") {
		if strings.HasPrefix(line, " ") && len(args) > 0 {
			args[len(args)-1].text += " " + strings.TrimSpace(line)
			continue
		}
		name, rest, ok := strings.Cut(line, " (")
		typ, text, ok2 := strings.Cut(rest, "): ")
		if !ok || !ok2 || strings.Contains(name, " ") {
			return nil, fmt.Errorf("want `name (type): text`, got %q", line)
		}
		args = append(args, argDoc{name, typ, strings.TrimSpace(text)})
	}
	return args, nil
}

func parseReturns(s string) (argDoc, error) {
	typ, text, ok := strings.Cut(s, ": ")
	if !ok {
		return argDoc{}, fmt.Errorf("want `type: text`, got %q", s)
	}
	return argDoc{typ: typ, text: strings.Join(strings.Fields(text), " ")}, nil
}

// dedent removes the indentation that all lines but the first share, and empty space around the text.
func dedent(s string) string {
	lines := strings.Split(s, "\n")
	least := -1
	for _, line := range lines[1:] {
		if text := strings.TrimLeft(line, " "); text != "" {
			if indent := len(line) - len(text); least < 0 || indent < least {
				least = indent
			}
		}
	}
	for i, line := range lines[1:] {
		lines[i+1] = strings.TrimRight(line[min(max(least, 0), len(line)):], " ")
	}
	return strings.TrimRight(strings.TrimLeft(strings.Join(lines, "\n"), "\n"), " \n")
}
