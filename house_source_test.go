package imgscript_test

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	maxFile     = 500 // lines
	maxFunction = 70
)

// source is a parsed package.
type source struct {
	*pkg
	set   *token.FileSet
	files map[string]*ast.File // those without tests, by name
	tests map[string]*ast.File
}

// sources parses every package of the module.
func sources(t *testing.T) []*source {
	t.Helper()
	var all []*source
	for _, p := range packages(t) {
		s := &source{p, token.NewFileSet(), map[string]*ast.File{}, map[string]*ast.File{}}
		parse := func(into map[string]*ast.File, names []string) {
			for _, name := range names {
				f, err := parser.ParseFile(s.set, filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
				if err != nil {
					t.Fatal(err)
				}
				into[name] = f
			}
		}
		parse(s.files, p.GoFiles)
		parse(s.tests, append(p.TestGoFiles, p.XTestGoFiles...))
		all = append(all, s)
	}
	return all
}

// at is a position from the module's root on.
func (s *source) at(pos token.Pos) string {
	p := s.set.Position(pos)
	return fmt.Sprintf("%s/%s:%d", s.name(), filepath.Base(p.Filename), p.Line)
}

// TestSizes holds files and functions to their greatest lengths. Tests of many cases may be longer functions.
func TestSizes(t *testing.T) {
	for _, s := range sources(t) {
		for _, files := range []map[string]*ast.File{s.files, s.tests} {
			for _, f := range files {
				if n := s.set.File(f.FileStart).LineCount() - 1; n > maxFile {
					t.Errorf("%s: %d lines, want at most %d", s.at(f.FileStart), n, maxFile)
				}
			}
		}
		for _, f := range s.files {
			for _, decl := range f.Decls {
				fn, ok := decl.(*ast.FuncDecl)
				if !ok {
					continue
				}
				if n := s.set.Position(fn.End()).Line - s.set.Position(fn.Pos()).Line + 1; n > maxFunction {
					t.Errorf("%s: %s has %d lines, want at most %d", s.at(fn.Pos()), fn.Name.Name, n, maxFunction)
				}
			}
		}
	}
}

// unfinished are words that say that something is still to be done; split, so that this file has none of them.
var unfinished = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)

// TestHabits refuses init functions, words of unfinished work, and a program's arguments and output outside of programs.
func TestHabits(t *testing.T) {
	for _, s := range sources(t) {
		for _, f := range s.files {
			for _, decl := range f.Decls {
				if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					t.Errorf("%s: an init function", s.at(fn.Pos()))
				}
			}
			if f.Name.Name != "main" {
				s.checkProcess(t, f)
			}
		}
		for _, files := range []map[string]*ast.File{s.files, s.tests} {
			for _, f := range files {
				for _, group := range f.Comments {
					if word := unfinished.FindString(group.Text()); word != "" {
						t.Errorf("%s: a comment says %s", s.at(group.Pos()), word)
					}
				}
			}
		}
	}
}

// checkProcess finds what belongs to programs alone.
func (s *source) checkProcess(t *testing.T, f *ast.File) {
	forbidden := map[string][]string{
		"os":  {"Args", "Stdin", "Stdout", "Stderr", "Exit"},
		"fmt": {"Print", "Printf", "Println"},
		"log": {"Print", "Printf", "Println", "Fatal", "Fatalf", "Fatalln", "Panic", "Panicf", "Default"},
	}
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && slices.Contains(forbidden[x.Name], sel.Sel.Name) {
			t.Errorf("%s: %s.%s is for programs alone", s.at(sel.Pos()), x.Name, sel.Sel.Name)
		}
		return true
	})
}

// TestDocumented wants a comment on every package, every exported name with its methods, and every field of options.
func TestDocumented(t *testing.T) {
	for _, s := range sources(t) {
		if len(s.files) == 0 {
			continue
		}
		d, err := doc.NewFromFiles(s.set, slices.Collect(maps.Values(s.files)), s.ImportPath)
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Doc) < len("Package x ") {
			t.Errorf("%s: no package documentation", s.name())
		}
		s.values(t, append(d.Consts, d.Vars...))
		s.funcs(t, d.Funcs)
		for _, typ := range d.Types {
			s.want(t, typ.Decl.Pos(), typ.Name, typ.Doc)
			s.values(t, append(typ.Consts, typ.Vars...))
			s.funcs(t, append(typ.Funcs, typ.Methods...))
			s.options(t, typ)
		}
	}
}

func (s *source) want(t *testing.T, pos token.Pos, name, text string) {
	if strings.TrimSpace(text) == "" {
		t.Errorf("%s: %s is not documented", s.at(pos), name)
	}
}

func (s *source) funcs(t *testing.T, all []*doc.Func) {
	for _, f := range all {
		s.want(t, f.Decl.Pos(), f.Name, f.Doc)
	}
}

// values takes the comment of a group for all of it.
func (s *source) values(t *testing.T, all []*doc.Value) {
	for _, v := range all {
		for _, spec := range v.Decl.Specs {
			names := spec.(*ast.ValueSpec)
			if names.Names[0].IsExported() {
				s.want(t, names.Pos(), names.Names[0].Name, v.Doc+names.Doc.Text()+names.Comment.Text())
			}
		}
	}
}

// options looks at the fields of the structs that users fill in.
func (s *source) options(t *testing.T, typ *doc.Type) {
	def, ok := typ.Decl.Specs[0].(*ast.TypeSpec).Type.(*ast.StructType)
	if !ok || !strings.HasSuffix(typ.Name, "Options") {
		return
	}
	for _, field := range def.Fields.List {
		for _, name := range field.Names {
			s.want(t, field.Pos(), typ.Name+"."+name.Name, field.Doc.Text()+field.Comment.Text())
		}
	}
}
