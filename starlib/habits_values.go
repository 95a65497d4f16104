package starlib

// valueHabits are operations that values do not have here, or not in this way.
func valueHabits() []habit {
	return []habit{
		{"frozen dict", `cannot .* frozen hash table$`, "", "what a loaded module exports is frozen; img.fork() makes an image that can change, dict(d) and list(l) copies"},
		{"frozen list", `cannot .* frozen list$`, "", `the lists of an image are frozen, and so is what a loaded module exports: set a new one, as in img.cmd = img.cmd + ["x"]; list(l) copies, img.fork() makes an image that can change`},
		{"changed while read", `cannot .* during iteration$`, "", "loop over a copy: for x in list(l):"},
		{"None in a sum", `^unknown binary op: (?:.* NoneType|NoneType .*)$`, "", "one of the two is None: that is what a function without return gives, and dict.get() for a missing key"},
		{"text and number", `^unknown binary op: (?:string \+ (?:int|float|bool)|(?:int|float|bool) \+ string)$`, "", "convert it with str(x)"},
		{"text and list", `^unknown binary op: (?:list \+ string|string \+ list)$`, "", `a list of one text is [s]; "".join(l) makes a text of a list`},
		{"text and bytes", `^unknown binary op: (?:bytes \+ string|string \+ bytes)$`, "", "bytes(s) makes bytes of a text, str(b) a text of bytes"},
		{"list and tuple", `^unknown binary op: (?:list \+ tuple|tuple \+ list)$`, "", "list(t) makes a list of a tuple"},
		{"dict and dict", `^unknown binary op: dict \+ dict$`, "", "two dicts are joined by a | b"},
		{"set and set", `^unknown binary op: set \+ set$`, "", "two sets are joined by a | b"},
		{"order", `^\w+ (?:<|>|<=|>=) \w+ not implemented$`, "", "such values have no order; compare what has one, as in int(x) or len(x)"},
		{"element of a set", `^unhandled index operation set\[`, "", "sorted(s) makes a list of a set"},
		{"element of None", `^unhandled index operation NoneType\[`, "", "the value is None: that is what a function without return gives, and dict.get() for a missing key"},
		{"missing key", `^key .* not in dict$`, "", "d.get(key, default) is for keys that may be missing"},
		{"unhashable", `^unhashable(?: type)?: list$`, "", "tuple(l) can be a key or an element of a set"},
		{"keys and values", `^got \w+ in sequence assignment$|^too (?:few|many) values to unpack`, `\bfor\s+\w+\s*,\s*\w+\s+in\s`, "for k, v in d.items(): gives the keys and values of a dict, enumerate(l) the numbers and elements of a list"},
		{"letters", `string value is not iterable$`, "", "use s.elems() for its characters, or [s] for a list of it"},
		{"numbers", `int value is not iterable$`, "", "range(n) counts from 0 to n - 1"},
		{"too few for %", `^not enough arguments for format string$`, "", `each %s takes a value: "%s of %s" % (a, b); %% is a percent sign`},
		{"too many for %", `^too many arguments for format string$`, "", `there are more values than %s in the text; one value that is a tuple or list is given as "%s" % (x,)`},
		{"unknown %", `^unknown conversion %`, "", "there are %s, %r, %d, %x, %o and %f without widths; %% is a percent sign"},
		{"% wants a number", `^%[a-z] format requires `, "", "%s takes any value"},
		{"format spec", `^(?:format: )?(?:format spec features|attribute syntax|element syntax)`, "", `{} and {name} are all there is: "{}".format(x.y)`},
		{"local", `^local variable (\w+) referenced before assignment$`, "", "$1 is set further down in this function, which makes it the function's own everywhere in it; give one of the two another name"},
		{"set later", `^global variable (\w+) referenced before assignment$`, "", "$1 is set further down; move that up"},
	}
}

// keywordHabits are arguments that have other names here.
func keywordHabits() []habit {
	const unexpected = `: unexpected keyword argument "`
	return []habit{
		{"image(tag)", `^image` + unexpected + `tags?"`, "", `the target has the tag: image("node", "HOST/REPOSITORY:v1"); img.save(["v1", "latest"]) sets several`},
		{"image(name)", `^image` + unexpected + `(?:name|to|repository|repo|dest|destination|output|out)"`, "", `the target is the second argument: image("node", "HOST/REPOSITORY")`},
		{"image(env)", `^image` + unexpected + `(env|cmd|entrypoint|working_dir|user|labels|annotations|exposed_ports|volumes|healthcheck)"`, "", "set it afterwards: img.$1 = …"},
		{"save(target)", `^save` + unexpected + `(?:target|repository|repo|name|reference|dest|destination)"`, "", `img.save(to = "HOST/REPOSITORY:v1") names a target for this call`},
		{"save(entrypoint)", `^save` + unexpected + `(entrypoint|user|labels|annotations|exposed_ports|volumes|healthcheck|author|created)"`, "", "set it before: img.$1 = …"},
		{"add_files(owner)", `^(?:add_files|file|custom_file)` + unexpected + `(?:owner|chown|user|group)"`, "", "owners are numbers: uid = 1000, gid = 1000"},
		{"add_files(chmod)", `^(?:add_files|file|custom_file)` + unexpected + `(?:chmod|permissions|perms|perm)"`, "", "mode = 0o755 sets the permissions"},
		{"add_files(exclude)", `^add_files` + unexpected + `(?:excludes?|filter|skip)"`, "", `ignores = ["**/*.log"] leaves files out`},
		{"add_files(src)", `^add_files` + unexpected + `(?:src|source|sources|dst|dest|destination|path|to|from)"`, "", `write add_files({"/app": "./dist"}): the target in the image first, then the local path`},
		{"custom_file(content)", `^custom_file` + unexpected + `(?:contents?|text|body|path|name)"`, "", `write {"/etc/motd": custom_file("text", mode = 0o600)}: the path is the key, the content comes first`},
		{"glob(pattern)", `^glob` + unexpected + `(?:patterns?|path|paths|recursive)"`, "", `write glob("src/**/*.js"): ** crosses folders`},
	}
}
