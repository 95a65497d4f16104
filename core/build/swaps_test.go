//go:build unix

package build_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/layer"
)

// swapping exchanges a file or directory for a link, and back, until the function that it returns is called.
func swapping(path, text string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if os.Rename(path, path+".away") != nil {
				continue
			}
			os.Symlink(text, path)
			time.Sleep(50 * time.Microsecond)
			os.Remove(path)
			os.RemoveAll(path) // a directory, if a layout was made there meanwhile
			os.Rename(path+".away", path)
			time.Sleep(50 * time.Microsecond)
		}
	}()
	return func() { cancel(); <-done }
}

// TestSwapsWhileReading: content from outside is never read, however a file, a directory or the allowed place itself is exchanged for a link meanwhile.
func TestSwapsWhileReading(t *testing.T) {
	for _, c := range []struct{ swap, text, path string }{
		{"root/file", "../outside/file", "file"},
		{"root/dir", "../outside/dir", "dir/file"},
		{"root/dir", "OUTSIDE", "dir"},
		{"allowed/dir", "../outside/dir", "../allowed/dir/file"},
		{"allowed/dir", "OUTSIDE/dir", "../allowed/dir"},
		{"allowed/file", "../outside/file", "../allowed/file"},
		{"allowed", "outside", "../allowed/dir/file"},
		{"allowed", "outside", "../allowed"},
		{"one", "two", "../one"},
	} {
		t.Run(c.swap+" for "+c.path, func(t *testing.T) {
			l := newLab(t)
			p := build.Permissions{Read: []string{l.allowed, l.one}}
			policy := policyOf(t, p, l.root)
			stop := swapping(filepath.Join(l.top, c.swap), strings.ReplaceAll(c.text, "OUTSIDE", l.outside))
			defer stop()
			read := 0
			for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); {
				_, err := l.engine.Do(t.Context(), &build.Options{Root: l.root, Policy: policy}, func(r *build.Run) error {
					for name, reader := range readers() {
						text, err := reader(r, c.path)
						if strings.Contains(text, secretText) {
							t.Errorf("%s: got %q", name, text)
						}
						if err == nil {
							read++
						}
					}
					for _, links := range []layer.SymlinkMode{layer.SymlinksFollow, layer.SymlinksKeep} {
						if text, _ := packed(r, c.path, links); strings.Contains(text, secretText) {
							t.Errorf("%s: got %q", links, text)
						}
					}
					names, _ := r.Glob([]string{filepath.Dir(c.path) + "/**"}, nil, nil)
					if slices.ContainsFunc(names, func(name string) bool { return strings.HasSuffix(name, ".gitignore") }) {
						t.Errorf("glob: got %q", names)
					}
					return nil
				})
				if t.Failed() {
					t.Fatal(err)
				}
			}
			t.Log(read, "times read")
		})
	}
}

// TestSwapsWhileWriting: nothing is written outside, however a directory on the way to a layout is exchanged for a link meanwhile.
func TestSwapsWhileWriting(t *testing.T) {
	for _, c := range []struct{ swap, text, target string }{
		{"root/dir", "../outside", "oci:dir/layout"},
		{"root/dir", "OUTSIDE", "oci:dir/a/b"},
		{"out/dir", "../outside", "oci:../out/dir/layout"},
		{"root/dir", "../outside", "oci-archive:dir/archive"},
		{"out/dir", "OUTSIDE", "docker-archive:../out/dir/archive:app"},
		{"out", "outside", "oci:../out/layout"},
	} {
		t.Run(c.target, func(t *testing.T) {
			l := newLab(t)
			must(t, os.MkdirAll(filepath.Join(l.out, "dir"), 0o755))
			policy := policyOf(t, build.Permissions{Out: []string{l.out, l.root}}, l.root)
			before := files(t, l.outside)
			stop := swapping(filepath.Join(l.top, c.swap), strings.ReplaceAll(c.text, "OUTSIDE", l.outside))
			defer stop()
			written := 0
			for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
				_, err := l.engine.Do(t.Context(), &build.Options{Root: l.root, Policy: policy}, func(r *build.Run) error { return saveTo(r, c.target) })
				if err == nil {
					written++
				}
				if left := files(t, l.outside); !slices.Equal(left, before) {
					t.Fatalf("outside there are %q after %v", left, err)
				}
			}
			t.Log(written, "times written")
		})
	}
}
