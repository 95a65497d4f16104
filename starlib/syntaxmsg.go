package starlib

import (
	"regexp"
	"strings"
)

// wonder matches what Starlark's parser says of a word that it does not expect.
var wonder = regexp.MustCompile(`^got (.+), want (.+?)(?: expression)?$`)

// plainWords are the words of the parser that only a parser understands.
var plainWords = map[string]string{
	"identifier": "a name", "string literal": "a text", "bytes literal": "bytes", "int literal": "a number", "float literal": "a number",
	"newline": "the end of the line", "end of file": "the end of the file", "indent": "an indented line", "outdent": "a line that is indented less", "primary": "a value",
}

// plainSyntax says in plain words what the parser says of a word.
func plainSyntax(msg string) string {
	if msg == "not an identifier" {
		return "syntax: want a name"
	}
	m := wonder.FindStringSubmatch(msg)
	if m == nil {
		return msg
	}
	return "syntax: want " + plainWord(m[2]) + ", got " + plainWord(m[1])
}

func plainWord(word string) string {
	if plain, ok := plainWords[word]; ok {
		return plain
	}
	if strings.HasPrefix(word, "'") {
		return word
	}
	return "'" + word + "'" // a reserved word, or several signs
}
