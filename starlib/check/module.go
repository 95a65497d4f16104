package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/imgscript/imgscript/core/nearest"
	"github.com/imgscript/imgscript/starlib"
)

// module is a file that is checked, or that one loads.
type module struct {
	name  string
	text  []byte
	lines [][]byte     // of text, once they are asked for
	file  *syntax.File // nil when it does not parse

	loads    []*load
	loadedAt []syntax.Position // the load statements of other files, in the order in which they were read
	globals  map[string]*variable
	vars     map[*syntax.Ident]*variable // by what first binds them
	lambdas  map[*syntax.LambdaExpr]*function
	defs     []*function
	calls    []call
	dots     []*syntax.DotExpr // that are read
	assigns  []*syntax.AssignStmt
	types    map[syntax.Expr]types
}

// load is one load statement.
type load struct {
	stmt   *syntax.LoadStmt
	module *module             // nil when it cannot be read, or is the host's
	host   starlark.StringDict // of a module of the embedding program
	bound  map[int]*variable   // by the index of the name
}

// maxFile bounds a script's file in bytes, as a run does.
const maxFile = 16 << 20

// named reads a file that was asked for, and what it loads.
func (c *checker) named(ctx context.Context, name string) error {
	if c.modules[name] != nil {
		return nil
	}
	text, err := c.read(name)
	if err != nil {
		return err
	}
	c.open(ctx, name, text)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	return nil
}

// read reads a regular file.
func (c *checker) read(name string) ([]byte, error) {
	text, err := readRegular(c.files, name)
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		err = p.Err
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return text, nil
}

func readRegular(files fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(files, name)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errors.New("is a directory")
	case !info.Mode().IsRegular():
		return nil, errors.New("is not a regular file")
	}
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("is larger than %d bytes", maxFile)
	}
	return text, err
}

// open parses and resolves a file, reads what it loads, and notes its names.
func (c *checker) open(ctx context.Context, name string, text []byte) *module {
	m := &module{
		name: name, text: text, globals: map[string]*variable{}, vars: map[*syntax.Ident]*variable{},
		lambdas: map[*syntax.LambdaExpr]*function{}, types: map[syntax.Expr]types{},
	}
	c.modules[name] = m
	c.order = append(c.order, m)
	file, err := starlib.Parse(name, text)
	if err != nil {
		c.reportAll(m, RuleSyntax, err)
		return m
	}
	m.file = file
	if err := resolve.File(file, c.names.Has, starlark.Universe.Has); err != nil {
		c.reportAll(m, RuleName, err)
	}
	c.chain = append(c.chain, name)
	for _, stmt := range file.Stmts {
		if s, ok := stmt.(*syntax.LoadStmt); ok && ctx.Err() == nil {
			c.follow(ctx, m, s)
		}
	}
	c.chain = c.chain[:len(c.chain)-1]
	c.collect(m)
	return m
}

// follow reads what a load statement names.
func (c *checker) follow(ctx context.Context, m *module, stmt *syntax.LoadStmt) {
	l := &load{stmt: stmt, bound: map[int]*variable{}}
	m.loads = append(m.loads, l)
	var err error
	if host, ok := strings.CutPrefix(stmt.ModuleName(), "@"); ok {
		if l.host, ok = c.opts.Modules[host]; !ok {
			err = fmt.Errorf("there is no module %q: this program has none of that name", stmt.ModuleName())
		}
	} else {
		l.module, err = c.loaded(ctx, m, stmt)
	}
	if err != nil {
		c.report(RuleLoad, stmt.Module, fmt.Errorf("cannot load %s: %w", stmt.ModuleName(), err))
	}
}

// loaded is the module of a load statement, read once.
func (c *checker) loaded(ctx context.Context, m *module, stmt *syntax.LoadStmt) (*module, error) {
	name, err := starlib.ModulePath(m.name, stmt.ModuleName())
	if err != nil {
		return nil, err
	}
	if i := slices.Index(c.chain, name); i >= 0 {
		return nil, fmt.Errorf("files load each other: %s", strings.Join(append(slices.Clone(c.chain[i:]), name), " → "))
	}
	target := c.modules[name]
	if target == nil {
		text, err := c.read(name)
		if err != nil {
			return nil, c.similarFile(m, stmt.ModuleName(), name, err)
		}
		target = c.open(ctx, name, text)
	}
	target.loadedAt = append(target.loadedAt, stmt.Load)
	return target, nil
}

// similarFile gives the error about a missing file that m loads a hint: one that there is.
func (c *checker) similarFile(m *module, written, name string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	entries, listing := fs.ReadDir(c.files, path.Dir(name))
	if listing != nil {
		return err
	}
	var files []string
	for _, e := range entries {
		if stem, ok := strings.CutSuffix(e.Name(), ".star"); ok && !e.IsDir() && path.Join(path.Dir(name), e.Name()) != m.name {
			files = append(files, stem)
		}
	}
	near := nearest.Name(strings.TrimSuffix(path.Base(name), ".star"), files)
	if near == "" {
		return err
	}
	return &starlib.Error{Msg: err.Error(), Hint: "did you mean " + strconv.Quote(strings.TrimSuffix(written, path.Base(written))+near+".star") + "?"}
}

// link ties the names that files load to those that the loaded files have.
func (c *checker) link() {
	for _, m := range c.order {
		for _, l := range m.loads {
			if l.module == nil {
				continue
			}
			for i, w := range l.bound {
				if v := l.module.globals[l.stmt.From[i].Name]; v != nil {
					v.aliases = append(v.aliases, w)
				}
			}
		}
	}
}

// checkLoads finds loaded names that do not exist, and those that nobody uses.
func (c *checker) checkLoads(m *module) {
	for _, l := range m.loads {
		if l.module == nil && l.host == nil {
			continue // that is told
		}
		for i, from := range l.stmt.From {
			if !c.exports(l, from.Name) {
				err := fmt.Errorf("load: name %s not found in module %s%s", from.Name, l.stmt.ModuleName(), suggestion(from.Name, l.names()))
				c.report(RuleLoad, from, err)
				continue
			}
			to := l.stmt.To[i]
			if v := l.bound[i]; v != nil && len(v.sources) == 1 && len(v.reads) == 0 && !strings.HasPrefix(to.Name, "_") {
				c.report(RuleUnusedLoad, to, &starlib.Error{
					Msg:  fmt.Sprintf("load: %s is not used", to.Name),
					Hint: fmt.Sprintf("remove it, or write _%s = %q if the file is loaded for what it prints", to.Name, from.Name),
				})
			}
		}
	}
}

// exports reports whether a loaded file has a name; in doubt it has.
func (c *checker) exports(l *load, name string) bool {
	switch {
	case strings.HasPrefix(name, "_") || name == "": // resolving told
		return true
	case l.host != nil:
		return l.host.Has(name)
	}
	return l.module.file == nil || l.module.globals[name] != nil
}

// names are what a loaded file has to give.
func (l *load) names() []string {
	if l.host != nil {
		return l.host.Keys()
	}
	var names []string
	for name := range l.module.globals {
		if !strings.HasPrefix(name, "_") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func suggestion(name string, names []string) string {
	if near := nearest.Name(name, names); near != "" {
		return fmt.Sprintf(" (did you mean %s?)", near)
	}
	return ""
}
