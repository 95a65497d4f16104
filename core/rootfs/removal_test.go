package rootfs_test

import (
	"archive/tar"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layer"
)

const removalTree = `
d etc
f etc/motd hi
f etc/passwd root
d usr
d usr/lib
f usr/lib/a.so x
f usr/lib/b.so x
d usr/share
d usr/share/doc
d usr/share/doc/one
f usr/share/doc/one/README x
f usr/share/doc/two x
d usr/share/empty
l lib usr/lib
l etc/link motd
f z[1] x
h etc/second etc/passwd`

// TestRemoval removes by patterns, and says which entries that takes.
func TestRemoval(t *testing.T) {
	for _, c := range []struct{ patterns, entries, gone, idle string }{
		{"/etc/motd", "etc etc/.wh.motd", "/etc/motd", ""},
		{"etc/motd", "etc etc/.wh.motd", "/etc/motd", ""},
		{"./etc//motd", "etc etc/.wh.motd", "/etc/motd", ""},
		{"/usr/share/doc", "usr usr/share usr/share/.wh.doc", "/usr/share/doc /usr/share/doc/one /usr/share/doc/one/README /usr/share/doc/two", ""},
		{"/usr/share/doc/", "usr usr/share usr/share/.wh.doc", "/usr/share/doc /usr/share/doc/one /usr/share/doc/one/README /usr/share/doc/two", ""},
		{"/usr/share/doc/**", "usr usr/share usr/share/doc usr/share/doc/.wh.one usr/share/doc/.wh.two", "/usr/share/doc/one /usr/share/doc/one/README /usr/share/doc/two", ""},
		{"/usr/share/doc/*", "usr usr/share usr/share/doc usr/share/doc/.wh.one usr/share/doc/.wh.two", "/usr/share/doc/one /usr/share/doc/one/README /usr/share/doc/two", ""},
		{"/usr/share/doc/**/README", "usr usr/share usr/share/doc usr/share/doc/one usr/share/doc/one/.wh.README", "/usr/share/doc/one/README", ""},
		{"**/*.so", "usr usr/lib usr/lib/.wh.a.so usr/lib/.wh.b.so", "/usr/lib/a.so /usr/lib/b.so", ""},
		{"/usr/lib/[ab].so", "usr usr/lib usr/lib/.wh.a.so usr/lib/.wh.b.so", "/usr/lib/a.so /usr/lib/b.so", ""},
		{"/usr/lib/{a,c}.so", "usr usr/lib usr/lib/.wh.a.so", "/usr/lib/a.so", ""},
		{"/usr/lib/?.so", "usr usr/lib usr/lib/.wh.a.so usr/lib/.wh.b.so", "/usr/lib/a.so /usr/lib/b.so", ""},
		{`/z\[1\]`, ".wh.z[1]", "/z[1]", ""},
		{"/lib", ".wh.lib", "/lib", ""},
		{"/etc/link", "etc etc/.wh.link", "/etc/link", ""},
		{"/etc/second", "etc etc/.wh.second", "/etc/second", ""},
		{"/etc/passwd", "etc etc/.wh.passwd", "/etc/passwd", ""},
		{"/usr/share/doc /usr/share/doc/one/README", "usr usr/share usr/share/.wh.doc", "/usr/share/doc /usr/share/doc/one /usr/share/doc/one/README /usr/share/doc/two", ""},
		{"/etc/motd /etc/m*", "etc etc/.wh.motd", "/etc/motd", ""},
		{"/usr/share/empty/**", "", "", "/usr/share/empty/**"},
		{"/nothing /etc/motd", "etc etc/.wh.motd", "/etc/motd", "/nothing"},
		{"/etc/*/motd", "", "", "/etc/*/motd"},
		{"*.so", "", "", "*.so"},
		{"/lib/a.so", "", "", "/lib/a.so → /usr/lib/a.so"},
		{"/lib/**", "", "", "/lib/** → /usr/lib/**"},
		{"/lib/*.x", "", "", "/lib/*.x"},
		{"/etc/motd/x", "", "", "/etc/motd/x"},
		{"", "", "", ""},
	} {
		src := new(content.Memory)
		below := layerOf(t, src, false, removalTree)
		tree := treeOf(t, src, below)
		found, err := tree.Removal(strings.Fields(c.patterns), time.Unix(7, 0))
		if err != nil {
			t.Errorf("%s: %v", c.patterns, err)
			continue
		}
		var entries, idle []string
		for _, e := range found.Entries {
			entries = append(entries, e.Path)
		}
		for _, p := range found.Idle {
			if p.Instead != "" {
				p.Pattern += " → " + p.Instead
			}
			idle = append(idle, p.Pattern)
		}
		if got := strings.Join(entries, " "); got != c.entries {
			t.Errorf("%s: entries %q, want %q", c.patterns, got, c.entries)
		}
		if got := strings.Join(idle, " "); got != c.idle {
			t.Errorf("%s: idle %q, want %q", c.patterns, got, c.idle)
		}
		built, err := layer.Build(t.Context(), src, found.Entries, nil)
		if err != nil {
			t.Errorf("%s: %v", c.patterns, err)
			continue
		}
		after := map[string]bool{}
		for f := range treeOf(t, src, below, built.Descriptor).Files("/") {
			after[f.Path] = true
		}
		var gone []string
		for f := range tree.Files("/") {
			if !after[f.Path] {
				gone = append(gone, f.Path)
			}
		}
		if got := strings.Join(gone, " "); got != c.gone {
			t.Errorf("%s: removes %q, want %q", c.patterns, got, c.gone)
		}
	}
}

// TestRemovalOfAll empties the root.
func TestRemovalOfAll(t *testing.T) {
	src := new(content.Memory)
	tree := treeOf(t, src, layerOf(t, src, false, removalTree))
	for _, pattern := range []string{"**", "/**", "*"} {
		found, err := tree.Removal([]string{pattern}, time.Unix(0, 0))
		if err != nil || len(found.Entries) != 4 || len(found.Idle) != 0 {
			t.Errorf("%s: %+v, %v", pattern, found, err)
		}
	}
}

// TestRemovalKeepsDirectories: the directories around what goes are as they were, since engines take over what a layer says of them.
func TestRemovalKeepsDirectories(t *testing.T) {
	src := new(content.Memory)
	tree := treeOf(t, src, rawLayer(t, src,
		tarEntry{Header: tar.Header{Typeflag: tar.TypeDir, Name: "var/tmp/", Mode: 0o1777, Uid: 1, Gid: 2, Uname: "u", ModTime: time.Unix(5, 0)}},
		tarEntry{Header: tar.Header{Typeflag: tar.TypeReg, Name: "var/tmp/x", Mode: 0o600}},
	))
	found, err := tree.Removal([]string{"/var/tmp/*"}, time.Unix(7, 0))
	if err != nil || len(found.Entries) != 3 {
		t.Fatalf("%+v, %v", found, err)
	}
	implied, dir, gone := found.Entries[0], found.Entries[1], found.Entries[2]
	if implied.Path != "var" || implied.Mode != 0o755 || implied.Type != layer.TypeDirectory {
		t.Errorf("got %+v", implied)
	}
	if dir.Path != "var/tmp" || dir.Mode != 0o1777 || dir.UID != 1 || dir.GID != 2 || dir.Uname != "u" || dir.ModTime.Unix() != 5 {
		t.Errorf("got %+v", dir)
	}
	if gone.Path != "var/tmp/.wh.x" || gone.Size != 0 || gone.ModTime.Unix() != 7 || gone.Type != layer.TypeFile {
		t.Errorf("got %+v", gone)
	}
}

func TestRemovalRefuses(t *testing.T) {
	src := new(content.Memory)
	tree := treeOf(t, src, layerOf(t, src, false, removalTree))
	for _, pattern := range []string{"", "/", ".", "/..", "[", "/etc/{a"} {
		if _, err := tree.Removal([]string{"/etc/motd", pattern}, time.Unix(0, 0)); !errors.Is(err, content.ErrInvalid) {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}
