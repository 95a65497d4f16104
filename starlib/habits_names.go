package starlib

// notRun is said to who wants to run something in an image.
const notRun = "nothing runs in an image while it is built: run it before, and add the files that it makes with img.add_files"

// nameHabits are global names of other languages and tools.
func nameHabits() []habit {
	return []habit{
		{"constants", `^undefined: (?:null|nil|NULL|true|false|TRUE|FALSE|none|undefined)\b`, "", "the constants are None, True and False"},
		{"environment", `^undefined: (?:os|environ|getenv|process|env|ENV)\b`, "", `scripts see no environment: var("NAME") is given by --var NAME=value, secret("NAME") by --secret NAME=env:VARIABLE`},
		{"files", `^undefined: (?:open|io|fs|pathlib|Path|shutil|tempfile)\b`, "", `read_file("path") reads a local file, glob("*.txt") lists some, and img.add_files puts them into an image`},
		{"arguments", `^undefined: (?:input|raw_input|sys|argv|args|argparse)\b`, "", `scripts ask for values by var("NAME", "default"), which is given by --var NAME=value`},
		{"commands", `^undefined: (?:subprocess|exec|execSync|system|sh|bash|shell|run|popen|Popen|child_process)\b`, "", notRun},
		{"clock", `^undefined: (?:time|datetime|date|now|Date)\b`, "", `there is no clock, so that a run makes the same digests again; --epoch sets the time of files and images, var("VERSION") can bring one in`},
		{"chance", `^undefined: (?:random|rand|uuid|secrets)\b`, "", `there is no chance, so that a run makes the same digests again; var("NAME") can bring a value in`},
		{"network", `^undefined: (?:requests|urllib|http|https|socket|curl|wget|axios)\b`, "", `fetch("https://…", sha256 = "…") gets a file, client("HOST/REPOSITORY") speaks to a registry`},
		{"main", `^undefined: __(?:name|main|file)__\b`, "", "a script runs from its first line; imgscript run FILE:main calls its function main"},
		{"require", `^undefined: (?:require|include|__import__|importlib|source)\b`, "", `load("//path/file.star", "name") gets names from another file`},
		{"console", `^undefined: (?:console|println|printf|echo|puts|log|logging|logger)\b`, "", "print(x) prints"},
		{"isinstance", `^undefined: (?:isinstance|issubclass|typeof|instanceof)\b`, "", `compare the name of a type: type(x) == "string"`},
		{"error", `^undefined: (?:Exception|ValueError|RuntimeError|TypeError|KeyError|Error|throw)\b`, "", `there are no exceptions; fail("why") ends the script`},
		{"map", `^undefined: (?:map|filter|reduce)\b`, "", "write [f(x) for x in list if condition]"},
		{"sum", `^undefined: sum\b`, "", "add in a loop: for x in list: total += x"},
		{"exit", `^undefined: (?:exit|quit|die|abort)\b`, "", `fail("why") ends the script with an error; without one it ends with its last line`},
		{"docker", `^undefined: (?:docker|Docker|podman|buildah|Container|container|Builder)\b`, "", `img = image("node:lts-slim", "HOST/REPOSITORY") begins an image, img.save() pushes it`},
		{"this", `^undefined: (?:this|self)\b`, "", "there are no classes; use struct(a = 1) and functions"},
	}
}

// attributeHabits are attributes and methods that values have in other languages and tools.
func attributeHabits() []habit {
	return []habit{
		{"img.run", `^Image has no \.(?:run|exec|execute|shell_command|RUN)\b`, "", notRun},
		{"img.copy", `^Image has no \.(?:copy|COPY|add|ADD|put|cp|copy_files|copy_dir|add_directory)\b`, "", `write img.add_files({"/app": "./dist"}): the target in the image first, then the local path`},
		{"img.push", `^Image has no \.(?:push|publish|upload|build|commit|write|export)\b`, "", "img.save() pushes the image to its target"},
		{"img.tag", `^Image has no \.(?:tag|tags|name|names|set_tag)\b`, "", `the target is the second argument of image(), and img.save(["v1", "latest"]) sets tags`},
		{"img.ports", `^Image has no \.(?:expose|EXPOSE|ports?|add_port)\b`, "", "write img.exposed_ports = [8080]"},
		{"img.environment", `^Image has no \.(?:environment|set_env|add_env|envs|env_vars|environ)\b`, "", `write img.env["NAME"] = "value"`},
		{"img.command", `^Image has no \.(?:command|args|set_cmd)\b`, "", `write img.cmd = ["program", "argument"]`},
		{"img.cwd", `^Image has no \.(?:cwd|dir|chdir|cd)\b`, "", `write img.working_dir = "/app"`},
		{"img.digest", `^Image has no \.(?:digest|id|sha|sha256|reference|size|media_type)\b`, "", "img.save() returns what was saved: its digest, reference, size and tags"},
		{"img.config", `^Image has no \.(?:config|get_config|manifest|data|history)\b`, "", "img.get_image_config() is the dict of the config, img.get_image_data() has the manifest too"},
		{"called attribute", `^invalid call of non-function \(`, `\.(working_dir|cmd|entrypoint|env|user|labels|annotations|exposed_ports|volumes|stop_signal|healthcheck|shell|on_build|author|created)\s*\(`, "$1 is an attribute, and no method: img.$1 = … sets it"},
		{"client.get", `^Client has no \.(?:get|pull|get_manifest|head|list|list_tags|push|put)\b`, "", "resolve(ref), manifest(ref), tags(), blob(digest) read; upload(data) and manifest_upload(tag, manifest) write"},

		{"length", `^\w+ has no \.(?:length|size|len|count)\b`, "", "len(x) is how many there are"},
		{"list.push", `^list has no \.(?:push|add|push_back)\b`, "", "list.append(x) adds one element"},
		{"list.map", `^list has no \.(?:map|filter|forEach|each|reduce)\b`, "", "write for x in list: or [f(x) for x in list if condition]"},
		{"list.sort", `^list has no \.(?:sort|reverse|sorted)\b`, "", "sorted(list) and reversed(list) make new lists"},
		{"list.contains", `^(?:list|string|dict|tuple|set) has no \.(?:contains|includes|has|has_key|hasOwnProperty|__contains__)\b`, "", "write x in y"},
		{"dict.items", `^dict has no \.(?:iteritems|entries|iterkeys|itervalues)\b`, "", "d.items(), d.keys() and d.values() are lists"},
		{"dict.name", `^dict has no \.(\w+) field`, "", `write d["$1"]; d.get("$1") when it may be missing`},
		{"string.trim", `^string has no \.(?:trim|trim_space|chomp)\b`, "", "s.strip() removes white space at both ends"},
		{"string.upper", `^string has no \.(?:toUpperCase|toLowerCase|to_upper|to_lower|lowercase|uppercase)\b`, "", "s.upper() and s.lower()"},
		{"string.slice", `^string has no \.(?:substring|substr|slice|charAt)\b`, "", "s[1:3] is a part of s"},
		{"string.encode", `^(?:string|bytes) has no \.(?:encode|decode|toString)\b`, "", "bytes(s) makes bytes of a text, str(b) a text of bytes"},
		{"module.exports", `\.exports field (?:or method|of builtin_function_or_method)`, "", "every global name can be loaded; one that begins with _ cannot"},
		{"uncalled", `builtin_function_or_method (?:value is not iterable|has no )|index operation builtin_function_or_method\[`, "", "this is a function, and () behind its name calls it"},
		{"None's attribute", `^NoneType has no \.\w+ `, "", "the value is None: that is what a function without return gives, and dict.get() for a missing key"},
	}
}
