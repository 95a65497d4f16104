package layer

import (
	"archive/tar"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/imgscript/imgscript/core/content"
)

var update = flag.Bool("update", false, "write what the cases in testdata give into them")

// TestCases runs testdata/*.txtar. The files of an archive are those of a tree; the lines above them say what else is in it and what is added
// to a layer, in the words of runCommand. The file "want" is the diff ID and a listing of the layer, or "error:" and all errors with their hints;
// lines that begin with "warning:" come first.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	must(t, err)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			must(t, err)
			want := ""
			c := &layerCase{t: t, dir: t.TempDir()}
			for _, f := range a.Files {
				if f.Name == "want" {
					want = string(f.Data)
					continue
				}
				c.write(f.Name, f.Data)
			}
			for line := range strings.Lines(string(a.Comment)) {
				if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
					c.runCommand(strings.Fields(line))
				}
			}
			got := c.result()
			if *update {
				a.Files = slices.DeleteFunc(a.Files, func(f txtar.File) bool { return f.Name == "want" })
				a.Files = append(a.Files, txtar.File{Name: "want", Data: []byte(got)})
				must(t, os.WriteFile(file, txtar.Format(a), 0o644))
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
		})
	}
}

// layerCase is one case: a directory and a call.
type layerCase struct {
	t     *testing.T
	dir   string
	files []File
	opts  Options
	out   strings.Builder
}

func (c *layerCase) path(name string) string { return filepath.Join(c.dir, name) }

func (c *layerCase) write(name string, data []byte) {
	must(c.t, os.MkdirAll(filepath.Dir(c.path(name)), 0o755))
	must(c.t, os.WriteFile(c.path(name), data, 0o644))
}

// runCommand changes the tree, sets an option or adds a source. In its words \xHH and $ROOT are replaced.
func (c *layerCase) runCommand(words []string) {
	for i, w := range words {
		if strings.Contains(w, `\x`) {
			text, err := strconv.Unquote(`"` + w + `"`)
			must(c.t, err)
			words[i] = text
		}
		words[i] = strings.ReplaceAll(words[i], "$ROOT", c.dir)
	}
	args := append(words[1:], "", "")
	switch words[0] {
	case "mkdir":
		must(c.t, os.MkdirAll(c.path(args[0]), 0o755))
	case "write":
		c.write(args[0], []byte(args[1]))
	case "symlink":
		must(c.t, os.MkdirAll(filepath.Dir(c.path(args[0])), 0o755))
		must(c.t, os.Symlink(args[1], c.path(args[0])))
	case "hardlink":
		must(c.t, os.MkdirAll(filepath.Dir(c.path(args[0])), 0o755))
		must(c.t, os.Link(c.path(args[1]), c.path(args[0])))
	case "chmod":
		must(c.t, syscall.Chmod(c.path(args[1]), uint32(c.number(args[0]))))
	case "fifo":
		must(c.t, syscall.Mkfifo(c.path(args[0]), 0o644))
	case "socket":
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		must(c.t, err)
		defer syscall.Close(fd)
		must(c.t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: c.path(args[0])}))
	case "option":
		c.option(words[1], words[2:])
	case "add", "file":
		f := File{Target: words[1], Local: words[2], Name: "./" + words[2]}
		for _, w := range words[3:] {
			c.override(&f, w)
		}
		c.files = append(c.files, f)
	case "custom":
		c.files = append(c.files, c.custom(words[1], words[2:]))
	case "whiteout":
		c.files = append(c.files, File{Target: words[1], Custom: Whiteout()})
	case "opaque":
		c.files = append(c.files, File{Target: words[1], Custom: Opaque()})
	default:
		c.t.Fatalf("no such command: %q", words)
	}
}

func (c *layerCase) number(s string) int {
	n, err := strconv.ParseInt(s, 0, 64)
	must(c.t, err)
	return int(n)
}

func (c *layerCase) option(name string, values []string) {
	o := &c.opts
	switch name {
	case "ignores":
		o.Ignores = values
	case "ignore_files":
		o.IgnoreFiles = values
	case "symlinks":
		o.Symlinks = SymlinkMode(values[0])
	case "hard_links_keep":
		o.KeepHardLinks = true
	case "owner":
		o.UID, o.GID = c.number(values[0]), c.number(values[1])
	case "mode":
		o.Mode = new(uint32(c.number(values[0])))
	case "preserve_mode":
		o.PreserveMode = true
	case "parents":
		o.Parents = new(values[0] == "True")
	case "max_depth":
		o.MaxDepth = new(c.number(values[0]))
	case "raw_names":
		o.RawNames = true
	case "on_base":
		o.OnBase = true
	default:
		c.t.Fatalf("no such option: %q", name)
	}
}

func (c *layerCase) override(f *File, word string) {
	name, value, _ := strings.Cut(word, "=")
	switch name {
	case "mode":
		f.Mode = new(uint32(c.number(value)))
	case "uid":
		f.UID = new(c.number(value))
	case "gid":
		f.GID = new(c.number(value))
	default:
		c.t.Fatalf("no such override: %q", word)
	}
}

func (c *layerCase) custom(target string, words []string) File {
	custom := &Custom{}
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		switch name {
		case "type":
			kind, err := ParseType(value)
			must(c.t, err)
			custom.Type = kind
		case "data":
			custom.Data, custom.Size = content.FromBytes([]byte(value)), int64(len(value))
		case "link":
			custom.LinkPath = value
		case "mode":
			custom.Mode = new(uint32(c.number(value)))
		case "uid":
			custom.UID = new(c.number(value))
		case "uname":
			custom.Uname = value
		default:
			c.t.Fatalf("no such field: %q", w)
		}
	}
	return File{Target: target, Custom: custom}
}

// result is what the call gives.
func (c *layerCase) result() string {
	tree, err := OpenTree(c.dir)
	must(c.t, err)
	defer tree.Close()
	for i := range c.files {
		c.files[i].Tree = tree
	}
	c.opts.Warn = func(msg string) { fmt.Fprintf(&c.out, "warning: %s\n", msg) }
	entries, err := Scan(c.t.Context(), c.files, &c.opts)
	if err != nil {
		c.errors(err)
		return c.out.String()
	}
	for _, mode := range []string{Gzip, Zstd, None} {
		var m content.Memory
		l, err := Build(c.t.Context(), &m, entries, &Options{Compression: mode})
		must(c.t, err)
		if mode == None {
			fmt.Fprintf(&c.out, "%s\n%s", l.DiffID, listing(c.t, &m, l.Descriptor))
		}
	}
	return c.out.String()
}

func (c *layerCase) errors(err error) {
	c.out.WriteString("error:\n")
	list := []error{err}
	var all Errors
	if errors.As(err, &all) {
		list = all
	}
	for _, err := range list {
		fmt.Fprintf(&c.out, "%s\n", strings.ReplaceAll(err.Error(), c.dir, "$ROOT"))
		var own *Error
		if errors.As(err, &own) && own.Hint != "" {
			fmt.Fprintf(&c.out, "  hint: %s\n", own.Hint)
		}
	}
}

// listing shows what archive/tar reads from an uncompressed layer.
func listing(t *testing.T, src content.Fetcher, desc content.Descriptor) string {
	t.Helper()
	r, err := src.Fetch(t.Context(), desc)
	must(t, err)
	defer r.Close()
	var b strings.Builder
	archive := tar.NewReader(r)
	for {
		h, err := archive.Next()
		if err == io.EOF {
			return b.String()
		}
		must(t, err)
		data, err := io.ReadAll(archive)
		must(t, err)
		fmt.Fprintf(&b, "%c %04o %d:%d %s", h.Typeflag, h.Mode, h.Uid, h.Gid, plain(h.Name))
		switch {
		case h.Linkname != "":
			fmt.Fprintf(&b, " -> %s", plain(h.Linkname))
		case len(data) > 0:
			fmt.Fprintf(&b, " %q", data[:min(len(data), 40)])
		}
		if h.Uname != "" {
			fmt.Fprintf(&b, " uname=%s", h.Uname)
		}
		if !h.ModTime.Equal(epoch(h.ModTime)) || h.ModTime.Unix() != 0 {
			fmt.Fprintf(&b, " mtime=%d", h.ModTime.UnixNano())
		}
		b.WriteByte('\n')
	}
}

// plain shows names that a line of text can hold as they are.
func plain(name string) string {
	if q := strconv.QuoteToASCII(name); q != `"`+name+`"` || strings.Contains(name, " ") {
		return q
	}
	return name
}
