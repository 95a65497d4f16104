package starlib

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.starlark.net/syntax"

	"github.com/imgscript/imgscript/core/nearest"
)

// checkVars refuses a --var that the script, and what it loads, cannot ask for, before anything is done: found at the end, a misspelt one
// would have let the run save what was not meant. It says nothing where the names cannot be known from the text.
func (s *session) checkVars(source []byte) error {
	if len(s.rt.opts.Vars) == 0 {
		return nil
	}
	asked, ok := s.askedVars(source)
	if !ok {
		return nil
	}
	return unusedVars(s.ownVars(), asked)
}

// ownVars are the names that the script has to ask for.
func (s *session) ownVars() []string {
	if s.rt.opts.SharedVars {
		return nil
	}
	return slices.Collect(maps.Keys(s.rt.opts.Vars))
}

// unusedVars is an error about those of given that are not among asked.
func unusedVars(given []string, asked map[string]bool) error {
	unused := slices.DeleteFunc(given, func(name string) bool { return asked[name] })
	if len(unused) == 0 {
		return nil
	}
	slices.Sort(unused)
	e := &Error{Kind: KindUsage, Msg: fmt.Sprintf("the script does not ask for --var %s", strings.Join(unused, ", "))}
	if near := nearest.Names(unused[0], slices.Sorted(maps.Keys(asked))); len(near) > 0 {
		e.Hint = fmt.Sprintf("did you mean %s?", quoteAll(near, " or "))
	}
	return e
}

// askedVars collects the names that var() is called with in the script and all that it loads. ok is false if one is computed, if var goes by
// another name, or if a file is not there or not well-formed, of which the run itself tells.
func (s *session) askedVars(source []byte) (asked map[string]bool, ok bool) {
	asked = map[string]bool{}
	seen := map[string]bool{s.file: true}
	for files := []string{s.file}; len(files) > 0; files = files[1:] {
		if files[0] != s.file {
			var err error
			if source, err = s.run.ReadScript("//"+files[0], s.limits.SourceBytes); err != nil {
				return nil, false
			}
		}
		parsed, err := parse(files[0], source)
		if err != nil {
			return nil, false
		}
		calls := &varCalls{asked: asked}
		syntax.Walk(parsed, calls.visit)
		if calls.unknown {
			return nil, false
		}
		for _, name := range calls.loads {
			file, err := modulePath(files[0], name)
			if err != nil || strings.HasPrefix(name, "@") {
				return nil, false
			}
			if !seen[file] {
				seen[file] = true
				files = append(files, file)
			}
		}
	}
	return asked, true
}

// varCalls looks for calls of var() in a file.
type varCalls struct {
	asked   map[string]bool
	loads   []string
	unknown bool          // var is used in a way that tells no name
	called  *syntax.Ident // the var of the call that is being looked at
}

func (v *varCalls) visit(n syntax.Node) bool {
	switch n := n.(type) {
	case *syntax.LoadStmt:
		v.loads = append(v.loads, n.ModuleName())
		return false // its names are of the other file
	case *syntax.CallExpr:
		if fn, ok := n.Fn.(*syntax.Ident); ok && fn.Name == "var" {
			v.called = fn
			v.note(n.Args)
		}
	case *syntax.Ident:
		v.unknown = v.unknown || n.Name == "var" && n != v.called
	}
	return true
}

// note takes the name from the arguments of var().
func (v *varCalls) note(args []syntax.Expr) {
	for i, arg := range args {
		named, isNamed := arg.(*syntax.BinaryExpr)
		if isNamed = isNamed && named.Op == syntax.EQ; isNamed {
			if key, ok := named.X.(*syntax.Ident); !ok || key.Name != "name" {
				continue
			}
			arg = named.Y
		} else if i > 0 {
			continue
		}
		if text, ok := arg.(*syntax.Literal); ok {
			if name, ok := text.Value.(string); ok {
				v.asked[name] = true
				return
			}
		}
	}
	if len(args) > 0 {
		v.unknown = true
	}
}
