package rootfs_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/rootfs"
)

// FuzzLayers puts what somebody made up upon a layer: it makes a tree or an error, and a tree can be written and is then the same.
func FuzzLayers(f *testing.F) {
	src := new(content.Memory)
	for _, text := range []string{"", "d etc\nf etc/.wh.passwd\nl lib etc\nh x etc/motd", "f .wh..wh..opq\nf lib/x y", "l a b\nl b a\nf a/x y", "f a/../../b x\nd .\nf ./c y"} {
		data, err := content.ReadAll(f.Context(), src, layerOf(f, src, false, text))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		src := new(content.Memory)
		base := layerOf(t, src, false, "d etc\nf etc/passwd root\nf etc/motd hello\nl lib etc\nl up ../..")
		top := content.Of(content.OCILayer, data)
		if err := src.Push(t.Context(), top, content.FromBytes(data)); err != nil {
			t.Fatal(err)
		}
		layers := []content.Descriptor{base, top}
		for _, name := range []string{"/etc/passwd", "/lib/motd", "/up/x"} {
			if _, r, err := rootfs.NewReader(src, layers, nil).Open(t.Context(), name); err == nil {
				_, _ = io.Copy(io.Discard, r)
				r.Close()
			}
		}
		tree, err := rootfs.Read(t.Context(), src, layers)
		if err != nil {
			return
		}
		var flat bytes.Buffer
		if err := tree.WriteTar(t.Context(), &flat); err != nil {
			return // a name or a time that the archive cannot hold
		}
		one := content.Of(content.OCILayer, flat.Bytes())
		if err := src.Push(t.Context(), one, content.FromBytes(flat.Bytes())); err != nil {
			t.Fatal(err)
		}
		again, err := rootfs.Read(t.Context(), src, []content.Descriptor{one})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := paths(again), paths(tree); got != want {
			t.Errorf("written and read again:\n%s\nwant:\n%s", got, want)
		}
	})
}

// paths is what is where in a tree.
func paths(tree *rootfs.Tree) (text string) {
	for f := range tree.Files("/") {
		text += string(f.Type) + " " + f.Path + " " + f.Link + "\n"
	}
	return text
}
