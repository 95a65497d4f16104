package starlib

// statementHabits are statements of other languages, known by their first word: Starlark takes it for a name and wonders about the next one.
func statementHabits() []habit {
	const wonders = `^got |^not an identifier$`
	const unknown = wonders + `|^undefined: (RUN|CMD|ENTRYPOINT|WORKDIR|VOLUME|SHELL|EXPOSE)\b`
	const assigned = `^(?:[^=]*=)?\s*`
	return []habit{
		{"new", wonders, assigned + `new\s+\w`, "values are made by calls alone, without new"},
		{"await", wonders, assigned + `await\s`, "there is nothing to await: what needs a result waits for it"},
		{"async", wonders, assigned + `async\s`, "def makes a function; what is slow starts in the background by itself"},
		{"declaration", wonders, `^\s*(?:const|let|var|val|auto)\s+[\w{\[]`, "a variable is set by name = value alone"},
		{"print statement", wonders, `^\s*(?:print|echo)\s+["'\w]`, "print is a function: print(x)"},
		{"export", wonders, `^\s*(?:export|public)\s`, "every global name can be loaded; one that begins with _ cannot"},
		{"function", wonders, `^\s*(?:function|func|fn|fun)\s`, "a function begins with def NAME(…): and its body is indented"},
		{"switch", wonders, `^\s*(?:switch|match|case)\b`, "there is no switch; use if, elif and else, or a dict"},
		{"assert", wonders, `^\s*assert\s`, `there is no assert; write if not …: fail("why")`},

		{"FROM", wonders, `^\s*FROM\s`, `this is Starlark and no Dockerfile; FROM node is img = image("node", "HOST/REPOSITORY"), with the target that img.save() pushes to`},
		{"COPY --from", wonders, `^\s*COPY\s+--from`, `there are no stages: build the files before, or take layers of another image with img.add_layer(layer)`},
		{"COPY", wonders, `^\s*(?:COPY|ADD)\s`, `COPY is img.add_files({"/app": "./"}): the target in the image first, then the local path`},
		{"ENV", wonders, `^\s*ENV\s`, `ENV is img.env["NAME"] = "value"`},
		{"RUN", unknown, `^\s*RUN\b`, "nothing runs in an image while it is built: run it before, and add the files that it makes with img.add_files"},
		{"ENTRYPOINT", unknown, `^\s*ENTRYPOINT\b`, `ENTRYPOINT is img.entrypoint = ["program", "argument"]`},
		{"CMD", unknown, `^\s*CMD\b`, `CMD is img.cmd = ["program", "argument"]`},
		{"WORKDIR", unknown, `^\s*WORKDIR\b`, `WORKDIR is img.working_dir = "/app"`},
		{"EXPOSE", unknown, `^\s*EXPOSE\b`, "EXPOSE is img.exposed_ports = [8080]"},
		{"VOLUME", unknown, `^\s*VOLUME\b`, `VOLUME is img.volumes = ["/data"]`},
		{"SHELL", unknown, `^\s*SHELL\b`, `SHELL is img.shell = ["/bin/sh", "-c"]`},
		{"USER", wonders, `^\s*USER\s`, `USER is img.user = "node"`},
		{"LABEL", wonders, `^\s*LABEL\s`, `LABEL is img.labels["name"] = "value"`},
		{"ARG", wonders, `^\s*ARG\s`, `ARG is var("NAME", "default"), which --var NAME=value sets`},
		{"HEALTHCHECK", wonders, `^\s*HEALTHCHECK\s`, `HEALTHCHECK is img.healthcheck = struct(test = ["CMD", "curl", "-f", "http://localhost/"], interval = "30s")`},
	}
}

// syntaxHabits are words and signs that Starlark does not have.
func syntaxHabits() []habit {
	return []habit{
		{"f-string", `^got string literal, want `, `\b[fF][rR]?["']`, `there are no f-strings; use "%s" % x or "{}".format(x)`},
		{"template literal", "^unexpected input character '`'$", "", `texts are in " or '; values get into them by "%s" % x or "{}".format(x)`},
		{"curly quotes", `^unexpected input character '[“”„‟‘’‚«»]'$`, "", `quotes are straight in scripts: " or '`},
		{"odd space", `^unexpected input character '\\u(?:00a0|200[0-9a-f]|202[0-9a-f]|205f|2060|3000|feff)'$`, "", "it looks like a space or like nothing, and is another character: delete it and type a space"},
		{"odd dash", `^unexpected input character '[–—−]'$`, "", "minus is - in scripts"},
		{"odd comma", `^unexpected input character '[，；：（）]'$`, "", "signs are those of ASCII in scripts: , ; : ( )"},

		{"import argument", `^got from, want `, `\bfrom\s*=`, `the base is the first argument: image("node:lts-slim", "HOST/REPOSITORY")`},
		{"import", `^got (?:import|from), `, "", `there is no import; use load("//path/file.star", "name")`},
		{"from attribute", `^not an identifier$`, `\.from\b`, `an image's base is the first argument of image("node:lts-slim", "HOST/REPOSITORY")`},
		{"load as", `^got as, want `, `\bload\b`, `load("file.star", mine = "name") loads name under the name mine`},
		{"exceptions", `^got (?:try|except|finally|raise), `, "", `there are no exceptions: an error ends the script, and so does fail("why")`},
		{"with", `^got (?:with|as), `, "", `there is no with; read_file("path") reads a file at once`},
		{"class", `^got class, `, "", "there are no classes; use struct(a = 1) and functions"},
		{"del", `^got del, `, "", "there is no del; d.pop(key) takes an entry out of a dict, l.pop(i) one out of a list"},
		{"global", `^got (?:global|nonlocal), `, "", "a function cannot set the names around it: return the value, or put it into a dict"},
		{"yield", `^got yield, `, "", "there are no generators; collect the values in a list and return it"},
		{"reserved word", `^not an identifier$`, `\b(?:as|async|await|class|del|except|finally|from|global|import|is|nonlocal|raise|try|with|yield)\b`, "the word is reserved, and no name; take another one"},

		{"strict equality", `^got '=', want `, `[=!]==`, "compare with == and !="},
		{"arrow function", `^got '[=>]', want `, `=>`, "a function is def f(x): … or lambda x: …"},
		{"walrus", `^got ':', want `, `:=`, "a name is set by a statement of its own: name = value"},
		{"is", `^got is, want `, "", "there is no is; compare with == and !="},
		{"and, or, not", `^got '[&|]', want primary expression$|^unexpected input character '!'$`, "", "the operators are and, or and not"},
		{"question mark", `^unexpected input character '\?'$`, "", "write x if condition else y; d.get(key, y) for a key that may be missing"},
		{"increment", `^got (?:newline|';'|end of file|'\)'), want primary expression$`, `\w(\+\+|--)`, "write x += 1 or x -= 1"},
		{"unpacked dict", `^got '\*\*', want primary expression$`, "", "two dicts are joined by a | b"},
		{"unpacked list", `^got '\*', want primary expression$`, "", "two lists are joined by a + b"},
		{"power", `^got '\*\*', want `, "", "there is no power operator: 1 << n is 2 to the n, math.pow(x, y) a float"},
		{"return type", `^got '-', want ':'$`, `->`, "there are no type annotations"},
		{"YAML document", `^got newline, want primary expression$`, `^---\s*$`, "this looks like YAML, and a script is Starlark: name = value"},
		{"type annotation", `^got ':', want `, `^\s*\w+\s*:\s*\w[^=]*=|\bdef\b`, "there are no type annotations"},
		{"YAML", `^got ':', want newline$`, `^\s*[\w."'-]+\s*:(?:\s|$)`, "this looks like YAML or a type annotation, and a script is Starlark: name = value"},
		{"set literal", `^got (?:','|'\}'), want ':'$`, "", "a set is set([…]), and { } holds a dict: {key: value}"},
		{"braces", `^got '\{', want `, `\{\s*$`, `a block begins with ":" and is indented; there are no braces`},
		{"closing brace", `^unexpected '\}'$`, `^\s*\}`, "a block ends where its indentation does; there are no braces"},
		{"for of", `^got (?:identifier, want (?:'\)'|in)|':', want in)$`, `^\s*for\b`, "a loop is for x in list:"},
		{"else if", `^got if, want ':'$`, "", "write elif"},
		{"comment", `^got '//?', want primary expression$`, `^\s*(?://|/\*)`, "a comment begins with #"},
		{"comment behind", `^got (?:identifier|string literal|'//?'|is|as|in|for|not|with|from|import|newline), want `, `//`, "a comment begins with #; // divides"},
		{"decorator", `^unexpected input character '@'$`, "", "there are no decorators: call the function, f = wrap(f)"},
		{"dollar", `^unexpected input character '\$'$`, "", `scripts do not expand variables: var("NAME") is given by --var NAME=value`},

		{"colon", `^got newline, want ':'$`, "", `the ":" is missing, behind which a block begins`},
		{"block", `, want indent$`, "", `what belongs to the line that ends in ":" has to be indented; an empty block is pass`},
		{"indented", `^got indent, want `, "", "this line is indented more than the one before it, which begins no block"},
		{"unindent", `^unindent does not match `, "", "indent it exactly like a line above; do not mix tabs and spaces, as a tab counts up to the next multiple of 8"},
		{"text without end", `^unexpected newline in string$`, "", `its closing quote is missing; a text of several lines is in """…"""`},
		{"text to the end", `^unexpected EOF in string$`, "", "the closing quote of the text that begins here is missing"},
		{"escape", `^(?:invalid|truncated) escape sequence `, "", `\\ stands for one backslash; in r"…" it stands for itself`},
		{"continuation", `^stray backslash `, "", `a \ continues a line only as its last character; within brackets lines go on without it`},

		{"while", ` does not support while loops$`, "", "use for with range(n)"},
		{"return", `^return statement not within a function$`, "", "a script ends with its last line; put the code into a function, or use if"},
		{"load inside", `^load statement within a `, "", "load at the beginning of the file; loading a file that is not needed does no harm"},
		{"hidden name", `names with leading underscores are not exported`, "", "a name that begins with _ stays in its file; rename it there"},
	}
}
