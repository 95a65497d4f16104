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
// # Limits
//
// [Limits] bound what a run may do. They are guard rails, which stop a mistake before it takes all day or fills a disk, and no security boundary. A script counts its steps, and built-ins
// count the work that they do as steps, before they do it (meter.go, measure.go, universe.go): a loop over an expensive call is stopped as soon as one over a cheap one. What
// is nested too deeply for Go's stack is an error wherever a built-in looks at all of a value. Not counted is what Starlark's operators and the methods of its own values do (s + s, x * x,
// a == b, s.replace): one of these can take any time, and any memory. Who runs what others wrote bounds the process itself.
//
// # Adding a built-in
//
// Write its def with a docstring in api.star, a struct for its arguments, a function of at most fifteen lines, and its line in the table; the tests say what is
// missing. A program that embeds imgscript adds names of its own with Options.Predeclared and Options.Modules: [AsImage], [FromImage], [Run], [Here] and [Context] are
// for them.
package starlib
