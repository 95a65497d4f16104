package rootfs_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/rootfs"
)

// layerOf makes a layer of lines: "d PATH", "f PATH CONTENTS", "l PATH TARGET" (a symbolic link), "h PATH TARGET" (a hard link).
func layerOf(t testing.TB, src *content.Memory, compress bool, text string) content.Descriptor {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		words := append(strings.Fields(line), "", "")
		if words[0] == "" {
			continue
		}
		h := &tar.Header{Name: words[1], Mode: 0o644, Linkname: words[2]}
		data := ""
		switch words[0] {
		case "d":
			h.Typeflag, h.Mode, h.Name = tar.TypeDir, 0o755, h.Name+"/"
		case "f":
			h.Typeflag, h.Linkname, data = tar.TypeReg, "", words[2]
		case "l":
			h.Typeflag = tar.TypeSymlink
		case "h":
			h.Typeflag = tar.TypeLink
		default:
			t.Fatalf("line %q", line)
		}
		h.Size = int64(len(data))
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	data, mediaType := b.Bytes(), content.OCILayer
	if compress {
		var z bytes.Buffer
		zw := gzip.NewWriter(&z)
		if _, err := zw.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := zw.Close(); err != nil {
			t.Fatal(err)
		}
		data, mediaType = z.Bytes(), content.OCILayerGzip
	}
	desc := content.Of(mediaType, data)
	if err := src.Push(t.Context(), desc, content.FromBytes(data)); err != nil {
		t.Fatal(err)
	}
	return desc
}

// listing is a tree as lines like those of layerOf, without what no layer has.
func listing(t *testing.T, tree *rootfs.Tree) string {
	t.Helper()
	var lines []string
	for f := range tree.Files("/") {
		switch f.Type {
		case rootfs.Directory:
			lines = append(lines, "d "+f.Path)
		case rootfs.Symlink:
			lines = append(lines, "l "+f.Path+" "+f.Link)
		case rootfs.Hardlink:
			lines = append(lines, "h "+f.Path+" "+f.Link)
		default:
			r, err := tree.Open(t.Context(), f.Path)
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(r)
			if err := errors.Join(err, r.Close()); err != nil {
				t.Fatal(err)
			}
			lines = append(lines, "f "+f.Path+" "+string(data))
		}
	}
	return strings.Join(lines[1:], "\n") // the root
}

func trimmed(text string) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// TestTree applies layers by each of the rules, and writes what comes of it as one layer that makes the same tree.
func TestTree(t *testing.T) {
	for name, c := range map[string]struct {
		layers []string
		want   string
	}{
		"one layer":               {[]string{"d a\nf a/b x\nl c a/b"}, "d /a\nf /a/b x\nl /c a/b"},
		"a file replaced":         {[]string{"f a x", "f a y"}, "f /a y"},
		"a directory comes again": {[]string{"d a\nf a/b x", "d a\nf a/c y"}, "d /a\nf /a/b x\nf /a/c y"},
		"a file for a directory":  {[]string{"d a\nf a/b x", "f a y"}, "f /a y"},
		"a directory for a file":  {[]string{"f a x", "d a\nf a/b y"}, "d /a\nf /a/b y"},
		"a link for a directory":  {[]string{"d a\nf a/b x", "l a c"}, "l /a c"},
		"whiteout":                {[]string{"d a\nf a/b x\nf a/c y", "f a/.wh.b"}, "d /a\nf /a/c y"},
		"whiteout of a directory": {[]string{"d a\nf a/b x\nd a/c\nf a/c/d y", "f .wh.a"}, ""},
		"whiteout of nothing":     {[]string{"f a x", "f .wh.b\nf no/.wh.c"}, "f /a x"},
		"whiteout and new":        {[]string{"d a\nf a/old x", "f .wh.a\nd a\nf a/new y"}, "d /a\nf /a/new y"},
		"new and whiteout":        {[]string{"d a\nf a/old x", "d a\nf a/new y\nf .wh.a"}, "d /a\nf /a/new y"},
		"whiteout within a layer": {[]string{"f a x\nf .wh.a"}, "f /a x"},
		"opaque":                  {[]string{"d a\nf a/old x\nd a/sub\nf a/sub/old y", "d a\nf a/.wh..wh..opq\nf a/new z"}, "d /a\nf /a/new z"},
		"opaque at the end":       {[]string{"d a\nf a/old x\nd a/sub\nf a/sub/old y", "d a\nd a/sub\nf a/sub/new z\nf a/.wh..wh..opq"}, "d /a\nd /a/sub\nf /a/sub/new z"},
		"opaque root":             {[]string{"d a\nf a/old x", "f .wh..wh..opq\nf b y"}, "f /b y"},
		"whiteout of an implied":  {[]string{"f a/b x", "f .wh.a"}, ""},
		"parents that are not":    {[]string{"f a/b/c x"}, "d /a\nd /a/b\nf /a/b/c x"},
		"through a link":          {[]string{"d usr\nd usr/lib\nl lib usr/lib", "f lib/x y"}, "l /lib usr/lib\nd /usr\nd /usr/lib\nf /usr/lib/x y"},
		"through an absolute one": {[]string{"d usr\nd usr/lib\nd sub\nl sub/lib /usr/lib", "f sub/lib/x y"}, "d /sub\nl /sub/lib /usr/lib\nd /usr\nd /usr/lib\nf /usr/lib/x y"},
		"whiteout through a link": {[]string{"d usr\nf usr/x y\nl lib usr", "f lib/.wh.x"}, "l /lib usr\nd /usr"},
		"out of the root":         {[]string{"d a\nl a/up ../../../b\nd b", "f a/up/x y"}, "d /a\nl /a/up ../../../b\nd /b\nf /b/x y"},
		"through a dangling link": {[]string{"l a b/c", "f a/x y"}, "l /a b/c\nd /b\nd /b/c\nf /b/c/x y"},
		"hard link":               {[]string{"f a x\nh b a"}, "f /a x\nh /b /a"},
		"hard link to below":      {[]string{"d d\nf d/a x", "h d/b d/a"}, "d /d\nf /d/a x\nh /d/b /d/a"},
		"hard link that stays":    {[]string{"f a x\nh b a", "f .wh.a"}, "f /b x"},
		"hard link, then new":     {[]string{"f a x\nh b a", "f a y"}, "f /a y\nf /b x"},
		"hard link sorts first":   {[]string{"f b x\nh a b"}, "f /a x\nh /b /a"},
		"hard link to a link":     {[]string{"l a c\nh b a"}, "l /a c\nh /b /a"},
		"hard link through one":   {[]string{"d usr\nf usr/x y\nl lib usr\nh z lib/x"}, "l /lib usr\nd /usr\nf /usr/x y\nh /z /usr/x"},
		"names with dots":         {[]string{"d ./a\nf ./a/../b x\nf /c y"}, "d /a\nf /b x\nf /c y"},
		"AUFS":                    {[]string{"f .wh..wh.plnk x\nf a y"}, "f /a y"},
		"empty":                   {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			src := new(content.Memory)
			var layers []content.Descriptor
			for i, text := range c.layers {
				layers = append(layers, layerOf(t, src, i%2 == 1, text))
			}
			tree, err := rootfs.Read(t.Context(), src, layers)
			if err != nil {
				t.Fatal(err)
			}
			if got := listing(t, tree); got != trimmed(c.want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, trimmed(c.want))
			}
			var flat, again bytes.Buffer
			if err := errors.Join(tree.WriteTar(t.Context(), &flat), tree.WriteTar(t.Context(), &again)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(flat.Bytes(), again.Bytes()) {
				t.Error("one tree made two archives")
			}
			one := content.Of(content.OCILayer, flat.Bytes())
			if err := src.Push(t.Context(), one, content.FromBytes(flat.Bytes())); err != nil {
				t.Fatal(err)
			}
			if tree, err = rootfs.Read(t.Context(), src, []content.Descriptor{one}); err != nil {
				t.Fatal(err)
			}
			if got := listing(t, tree); got != trimmed(c.want) {
				t.Errorf("as one layer:\n%s\nwant:\n%s", got, trimmed(c.want))
			}
		})
	}
}

// TestBadLayers refuses what no engine can unpack, and says where it is.
func TestBadLayers(t *testing.T) {
	loop := "l a b\nl b a\nf a/x y"
	for name, c := range map[string]struct{ layer, want string }{
		"hard link to nothing":     {"h a b", `"b", which is not there`},
		"hard link to a directory": {"d b\nh a b", "a directory"},
		"a file as a parent":       {"f a x\nf a/b y", `"/a" is no directory`},
		"a loop of links":          {loop, "links"},
	} {
		src := new(content.Memory)
		_, err := rootfs.Read(t.Context(), src, []content.Descriptor{layerOf(t, src, false, c.layer)})
		if !errors.Is(err, content.ErrInvalid) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "layer 1") {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	src := new(content.Memory)
	whole := layerOf(t, src, true, "f a "+strings.Repeat("x", 5000))
	data, err := content.ReadAll(t.Context(), src, whole)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 20, len(data) / 2, len(data) - 1} {
		if _, err := rootfs.Read(t.Context(), cut{data[:n]}, []content.Descriptor{whole}); err == nil {
			t.Errorf("a layer of %d bytes, cut at %d, was read", len(data), n)
		}
	}
}

// cut is a source whose blobs are these bytes.
type cut struct{ data []byte }

// Fetch implements content.Fetcher.
func (c cut) Fetch(_ context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	return content.Verify(io.NopCloser(bytes.NewReader(c.data)), desc)
}

// TestLookup follows links as a program in a container does.
func TestLookup(t *testing.T) {
	src := new(content.Memory)
	tree, err := rootfs.Read(t.Context(), src, []content.Descriptor{layerOf(t, src, false, `
d etc
f etc/passwd root
l etc/alias passwd
l etc/far /usr/share/x
d usr
d usr/share
f usr/share/x y
l bin usr/bin
l up ../../etc
l loop loop
`)})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"/etc/passwd": "root", "etc/passwd": "root", "/etc/alias": "root", "/etc/far": "y", "/up/passwd": "root", "/up/../etc/./alias": "root",
	} {
		r, err := tree.Open(t.Context(), name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		data, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || string(data) != want {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
	for _, name := range []string{"/nothing", "/etc/nothing", "/bin/sh"} {
		if _, err := tree.Open(t.Context(), name); !errors.Is(err, rootfs.ErrNotFound) || !strings.Contains(err.Error(), fmt.Sprintf("%q", name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"/etc", "/", "/loop", "/etc/passwd/x"} {
		if _, err := tree.Open(t.Context(), name); !errors.Is(err, content.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if f, err := tree.Lookup("/etc/alias", false); err != nil || f.Type != rootfs.Symlink || f.Link != "passwd" {
		t.Errorf("the link itself: %+v, %v", f, err)
	}
	var paths []string
	for f := range tree.Files("/etc") {
		paths = append(paths, f.Path)
		if len(paths) == 3 {
			break
		}
	}
	if !slices.Equal(paths, []string{"/etc", "/etc/alias", "/etc/far"}) {
		t.Errorf("paths %q", paths)
	}
	r, err := tree.Open(t.Context(), "/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	r.Close() // unread: nothing hangs
}
