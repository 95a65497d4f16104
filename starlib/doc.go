// Package starlib is the script language of imgscript: Starlark with the names of api.star, over the engine of core/build.
//
// A [Runtime] runs scripts. It holds nothing that changes: variables, secrets, permissions and the host's own names are its [Options], and every
// run is a run of a build.Engine, which may be shared with other runs and with Go code.
//
//	rt, err := starlib.New(&starlib.Options{Root: ".", Engine: engine})
//	…
//	result, err := rt.ExecFile(ctx, "build.star", nil)
//
// # Where things are
//
//   - api.star is the contract: every name with its parameters, defaults, types and documentation. Arguments are bound by it, and a test
//     holds it and the Go code together.
//   - Each type of the language has a Go type here (Image is imageValue, and so on) with a static table of its attributes and methods, a class. A method unpacks its
//     arguments, calls core/build and wraps the result; it decides nothing.
//   - session is one run of a script; load.go loads modules; imagedata.go is about the dicts of get_image_config and get_image_data.
//   - [Error] is what a failed run returns: the place in the script, the place that needed it, a hint, and a [Kind] that a program's exit code
//     depends on. explain.go makes it.
//
// # Adding a built-in
//
// Write its def with a docstring in api.star, a struct for its arguments, a function of at most fifteen lines, and its line in the table; the tests say what is
// missing. A program that embeds imgscript adds names of its own with Options.Predeclared and Options.Modules: [AsImage], [FromImage], [Run], [Here] and [Context] are
// for them.
package starlib
