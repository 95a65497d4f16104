package starlib

import (
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

// testBuiltin returns a built-in of test scripts.
func testBuiltin(name string) *starlark.Builtin {
	functions := map[string]builtinFunc{"struct": starlarkstruct.Make, "from_json": fromJSON, "to_json": toJSON}
	return starlark.NewBuiltin(name, functions[name])
}

func fromJSON(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	switch s := args[0].(type) {
	case starlark.String:
		return jsonToValue([]byte(s))
	case starlark.Bytes:
		return jsonToValue([]byte(s))
	}
	return nil, fmt.Errorf("from_json: want text")
}

func toJSON(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	data, err := namedToJSON("config", args[0])
	return starlark.String(data), err
}

// dialect is what scripts are written in.
func dialect() *syntax.FileOptions {
	return &syntax.FileOptions{Set: true, TopLevelControl: true, GlobalReassign: true}
}
