package starlib

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/syntax"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/layer"
)

// spanIn finds the text that e is about in the tree of the file. The interpreter and the resolver only say a point: the parenthesis of a
// call, the dot of an attribute, an operator.
func (e *Error) spanIn(tree *syntax.File) span {
	place := e.Step[0]
	var path, found []syntax.Node // from the file to a node
	syntax.Walk(tree, func(n syntax.Node) bool {
		if n == nil {
			path = path[:len(path)-1]
			return true
		}
		path = append(path, n)
		if at := pointOf(n); int(at.Line) == place.Line && int(at.Col) == place.Col {
			found = slices.Clone(path) // a node in another at the same point is nearer to it
		}
		return true
	})
	if len(found) < 2 {
		return span{}
	}
	return e.spanOf(found)
}

// pointOf is the position by which the interpreter and the resolver name a node.
func pointOf(n syntax.Node) syntax.Position {
	switch n := n.(type) {
	case *syntax.CallExpr:
		return n.Lparen
	case *syntax.DotExpr:
		return n.Dot
	case *syntax.IndexExpr:
		return n.Lbrack
	case *syntax.SliceExpr:
		return n.Lbrack
	case *syntax.BinaryExpr:
		return n.OpPos
	case *syntax.AssignStmt:
		return n.OpPos
	case *syntax.DictEntry:
		return n.Colon

	// Their spans go down to their ends, and those of elifs are within each other: 100,000 of them would take a minute.
	case *syntax.IfStmt:
		return n.If
	case *syntax.ForStmt:
		return n.For
	case *syntax.DefStmt:
		return n.Def
	case *syntax.UnaryExpr:
		return n.OpPos
	case *syntax.LambdaExpr:
		return n.Lambda
	}
	return syntax.Start(n)
}

// spanOf is what of the last node of a path is to blame.
func (e *Error) spanOf(path []syntax.Node) span {
	switch n := path[len(path)-1].(type) {
	case *syntax.CallExpr:
		return e.spanOfCall(n)
	case *syntax.DotExpr:
		return e.spanOfAttribute(n, path[:len(path)-1])
	case *syntax.IndexExpr:
		return between(n.Lbrack, behind(n.Rbrack))
	case *syntax.SliceExpr:
		return between(n.Lbrack, behind(n.Rbrack))
	case *syntax.DictEntry:
		return spanOfNode(n.Key)
	case *syntax.ForStmt:
		return e.spanOfLoop(n.Vars, n.X)
	case *syntax.ForClause:
		return e.spanOfLoop(n.Vars, n.X)
	case *syntax.LoadStmt:
		return e.spanOfLoad(n)
	case *syntax.DefStmt:
		return between(n.Def, behind(n.Rparen))
	case *syntax.IfStmt:
		return between(n.If, syntax.End(n.Cond))
	case *syntax.WhileStmt:
		return between(n.While, syntax.End(n.Cond))
	}
	return spanOfNode(path[len(path)-1])
}

func behind(pos syntax.Position) syntax.Position {
	pos.Col++
	return pos
}

// spanOfNode is a node from its first letter to its last.
func spanOfNode(n syntax.Node) span { return between(Span(n)) }

// Span is where a node of a script begins, and where it ends with its last bracket, before which some nodes of the tree say that they end.
func Span(n syntax.Node) (start, end syntax.Position) {
	start, end = n.Span()
	switch n := n.(type) {
	case *syntax.IndexExpr, *syntax.SliceExpr, *syntax.LoadStmt:
		end = behind(end)
	case *syntax.TupleExpr:
		if n.Lparen.IsValid() {
			end = behind(end)
		}
	}
	return start, end
}

// spanOfCall is the argument of a call that is wrong, or else the function's name with all arguments.
func (e *Error) spanOfCall(call *syntax.CallExpr) span {
	name := call.Fn
	if dot, ok := name.(*syntax.DotExpr); ok {
		name = dot.Name
	}
	if strings.HasPrefix(e.Msg, "invalid call of non-function ") {
		return spanOfNode(name)
	}
	if keyword := e.unexpected(); keyword != "" {
		if arg := (&argumentError{name: keyword, index: -1, keyword: true}).among(call.Args); arg != nil {
			return spanOfNode(arg)
		}
	}
	if fn, ok := name.(*syntax.Ident); !ok || fn.Name != "fail" { // whose message is not about its arguments
		if arg := e.culprit(call.Args); arg != nil {
			return spanOfNode(arg)
		}
		if arg := e.subject(call); arg != nil {
			return spanOfNode(arg)
		}
	}
	return between(syntax.Start(name), behind(call.Rparen))
}

// unexpected is the name of an argument that a function of the script does not have, or "".
func (e *Error) unexpected() string {
	_, keyword, _ := strings.Cut(e.Msg, " got an unexpected keyword argument ")
	return strings.Trim(keyword, `"`)
}

// subject is the argument that the whole call is about, where it fails later: the base of an image, the only source of files.
func (e *Error) subject(call *syntax.CallExpr) syntax.Expr {
	var step *build.StepError
	if len(call.Args) == 0 || !errors.As(e.err, &step) {
		return nil
	}
	if fn, ok := call.Fn.(*syntax.Ident); ok && fn.Name == "image" && step.Op == "image" {
		return (&argumentError{name: "base"}).among(call.Args)
	}
	files, ok := call.Args[0].(*syntax.DictExpr)
	if ok && len(files.List) == 1 && errors.As(e.err, new(*layer.Error)) {
		return files.List[0].(*syntax.DictEntry).Value
	}
	return nil
}

// spanOfAttribute is the value that an attribute, or an entry of it, is set to, if that is wrong, or else the attribute's name. around is the path to it.
func (e *Error) spanOfAttribute(dot *syntax.DotExpr, around []syntax.Node) span {
	switch outer := around[len(around)-1].(type) {
	case *syntax.AssignStmt:
		if value := e.culprit([]syntax.Expr{outer.RHS}); outer.LHS == dot && value != nil {
			return spanOfNode(value)
		}
	case *syntax.IndexExpr:
		assign, ok := around[len(around)-2].(*syntax.AssignStmt)
		if ok && assign.LHS == outer && outer.X == dot && errors.As(e.err, new(*argumentError)) {
			return spanOfNode(assign.RHS)
		}
	}
	return spanOfNode(dot.Name)
}

func (e *Error) spanOfLoop(vars, x syntax.Expr) span {
	if strings.HasSuffix(e.Msg, " value is not iterable") {
		return spanOfNode(x)
	}
	return between(syntax.Start(vars), syntax.End(x))
}

// spanOfLoad is the name that a file does not have, or else the file.
func (e *Error) spanOfLoad(load *syntax.LoadStmt) span {
	for _, name := range load.From {
		if strings.HasPrefix(e.Msg, "load: name "+name.Name+" not found ") {
			return spanOfNode(name)
		}
	}
	if strings.HasPrefix(e.Msg, "load statement within ") {
		return spanOfNode(load)
	}
	return spanOfNode(load.Module)
}

// argumentError says which argument of a call, or which part of the value of an attribute, an error is about.
type argumentError struct {
	error
	name    string // of the parameter
	index   int    // of the argument, if it is given by its place
	keyword bool   // the name itself is wrong, not the value
	path    string // within the value: `[2]`, `["Env"]`, `.test`; "" is all of it
}

func (a *argumentError) Unwrap() error { return a.error }

// culprit is what of the arguments of a call e is about: the one that the error names, or else a text that its message quotes. nil when there is
// no saying.
func (e *Error) culprit(args []syntax.Expr) syntax.Expr {
	var bad *argumentError
	if !errors.As(e.err, &bad) {
		return e.quoted(args)
	}
	arg := bad.among(args)
	if arg == nil {
		return e.quoted(args)
	}
	if part := e.quoted([]syntax.Expr{arg}); bad.name != "" && bad.path == "" && part != nil {
		return part // of a list, say
	}
	return arg
}

func (a *argumentError) among(args []syntax.Expr) syntax.Expr {
	for i, arg := range args {
		switch arg := arg.(type) {
		case *syntax.UnaryExpr:
			if arg.Op == syntax.STAR || arg.Op == syntax.STARSTAR {
				return nil // what comes of it, and its place, are not known here
			}
		case *syntax.BinaryExpr:
			if name, ok := arg.X.(*syntax.Ident); ok && arg.Op == syntax.EQ {
				if name.Name != a.name {
					continue
				}
				if a.keyword {
					return name
				}
				return within(arg.Y, a.path)
			}
		}
		if i == a.index {
			return within(arg, a.path)
		}
	}
	return nil
}

var pathStep = regexp.MustCompile(`^(?:\[(\d+|"(?:[^"\\]|\\.)*")\]|\.(\w+))`)

// within follows a path into a value as far as it is written out.
func within(x syntax.Expr, path string) syntax.Expr {
	for {
		step := pathStep.FindStringSubmatch(path)
		if step == nil {
			return x
		}
		next := element(x, step[1]+step[2])
		if next == nil {
			return x
		}
		x, path = next, path[len(step[0]):]
	}
}

// element is what a list, dict or struct that is written out has at an index, key or name, or nil.
func element(x syntax.Expr, key string) syntax.Expr {
	var list []syntax.Expr
	switch x := x.(type) {
	case *syntax.ParenExpr:
		return element(x.X, key)
	case *syntax.ListExpr:
		list = x.List
	case *syntax.TupleExpr:
		list = x.List
	case *syntax.CallExpr:
		return (&argumentError{name: key, index: -1}).among(x.Args)
	case *syntax.DictExpr:
		for _, entry := range x.List {
			entry := entry.(*syntax.DictEntry)
			if lit, ok := entry.Key.(*syntax.Literal); ok && quotedAs(lit.Value, key) {
				return entry.Value
			}
		}
	}
	if i, err := strconv.Atoi(key); err == nil && i < len(list) {
		return list[i]
	}
	return nil
}

func quotedAs(value any, quoted string) bool {
	s, ok := value.(string)
	return ok && strconv.Quote(s) == quoted
}

// quoted is the text among the arguments that the message quotes first. Of equal ones it is the last: in {"app": "app"} the one that names
// something here.
func (e *Error) quoted(args []syntax.Expr) syntax.Expr {
	var first syntax.Expr
	var value string
	at := -1
	for _, arg := range args {
		syntax.Walk(arg, func(n syntax.Node) bool {
			lit, ok := n.(*syntax.Literal)
			if !ok {
				return true
			}
			text, _ := lit.Value.(string)
			i := e.mentions(text)
			if i >= 0 && (at < 0 || i < at || i == at && len(text) >= len(value)) {
				first, value, at = lit, text, i
			}
			return true
		})
	}
	return first
}

// mentions returns where the message has a text of the script, in quotes or as a word or path of its own, or -1.
func (e *Error) mentions(text string) int {
	var file *layer.Error
	if text != "" && errors.As(e.err, &file) && (file.Source == text || file.Path == text) {
		return 0
	}
	if i := strings.Index(e.Msg, strconv.Quote(text)); i >= 0 {
		return i
	}
	_, reason, _ := strings.Cut(e.Msg, ": ") // behind what was done
	if len(text) < 2 {
		return -1
	}
	for from := 0; ; {
		i := strings.Index(reason[from:], text)
		if i < 0 {
			return -1
		}
		start, end := from+i, from+i+len(text)
		if (start == 0 || strings.ContainsRune(" \"'(", rune(reason[start-1]))) && (end == len(reason) || strings.ContainsRune(" \"'):,;\n", rune(reason[end]))) {
			return len(e.Msg) - len(reason) + start
		}
		from = start + 1
	}
}
