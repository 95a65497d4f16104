package rootfs_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"go.uber.org/goleak"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layer"
	"github.com/imgscript/imgscript/core/rootfs"
)

// rawLayer makes a layer of headers and the contents of their files.
func rawLayer(t *testing.T, src *content.Memory, entries ...tarEntry) content.Descriptor {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		e.Size = int64(len(e.data))
		if e.ModTime.IsZero() {
			e.ModTime = time.Unix(1e9, 0)
		}
		if err := w.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	desc := content.Of(content.OCILayer, b.Bytes())
	if err := src.Push(t.Context(), desc, content.FromBytes(b.Bytes())); err != nil {
		t.Fatal(err)
	}
	return desc
}

type tarEntry struct {
	tar.Header
	data string
}

func treeOf(t *testing.T, src content.Fetcher, layers ...content.Descriptor) *rootfs.Tree {
	t.Helper()
	tree, err := rootfs.Read(t.Context(), src, layers)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// described lists all that a tree says, without the layers that its files are in.
func described(tree *rootfs.Tree) []rootfs.File {
	var files []rootfs.File
	for f := range tree.Files("/") {
		f.Layer = 0
		files = append(files, f)
	}
	return files
}

// everything is two layers with all that a layer can have.
func everything(t *testing.T, src *content.Memory) []content.Descriptor {
	long := strings.Repeat("long/", 50) + "name"
	return []content.Descriptor{
		rawLayer(t, src,
			tarEntry{Header: tar.Header{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755}},
			tarEntry{Header: tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}},
			tarEntry{Header: tar.Header{Typeflag: tar.TypeReg, Name: "bin/su", Mode: 0o4755, Uname: "root", Gname: "shadow", Gid: 42}, data: "su"},
			tarEntry{Header: tar.Header{Typeflag: tar.TypeReg, Name: "bin/gone", Mode: 0o755}, data: "gone"},
			tarEntry{Header: tar.Header{Typeflag: tar.TypeReg, Name: "bin/ping", Mode: 0o755, Format: tar.FormatPAX,
				PAXRecords: map[string]string{"SCHILY.xattr.security.capability": "\x01\x00\x00\x02"}}, data: "ping"},
			tarEntry{Header: tar.Header{Typeflag: tar.TypeLink, Name: "bin/ping6", Linkname: "bin/ping", Mode: 0o755}},
			tarEntry{Header: tar.Header{Typeflag: tar.TypeReg, Name: "empty", Mode: 0o600, Uid: 3_000_000}},
			tarEntry{Header: tar.Header{Typeflag: tar.TypeChar, Name: "dev/null", Mode: 0o666, Devmajor: 1, Devminor: 3}},
			tarEntry{Header: tar.Header{Typeflag: tar.TypeBlock, Name: "dev/loop0", Mode: 0o660, Devmajor: 7, Devminor: 0}},
			tarEntry{Header: tar.Header{Typeflag: tar.TypeFifo, Name: "run/pipe", Mode: 0o600}},
			tarEntry{Header: tar.Header{Typeflag: tar.TypeSymlink, Name: "lib", Linkname: "usr/lib", Mode: 0o777}},
			tarEntry{Header: tar.Header{Typeflag: tar.TypeLink, Name: "lib2", Linkname: "lib", Mode: 0o777}},
			tarEntry{Header: tar.Header{Typeflag: tar.TypeReg, Name: long, Mode: 0o644, ModTime: time.Unix(1e9, 5e8), Format: tar.FormatPAX}, data: "long"},
		),
		rawLayer(t, src,
			tarEntry{Header: tar.Header{Typeflag: tar.TypeReg, Name: "bin/.wh.gone", Mode: 0o644}},
			tarEntry{Header: tar.Header{Typeflag: tar.TypeReg, Name: "f\xe4hre", Mode: 0o644}, data: "no UTF-8"},
			tarEntry{Header: tar.Header{Typeflag: tar.TypeReg, Name: "größe", Mode: 0o644, Format: tar.FormatPAX}, data: "UTF-8"},
			tarEntry{Header: tar.Header{Typeflag: tar.TypeReg, Name: "big", Mode: 0o644}, data: strings.Repeat("0123456789", 1_000_000)},
		),
	}
}

// TestFlatten: one layer makes the same tree as those that it was made of, to the last attribute, in each compression.
func TestFlatten(t *testing.T) {
	src := new(content.Memory)
	tree := treeOf(t, src, everything(t, src)...)
	var plain layer.Layer
	for _, compression := range []string{layer.None, layer.Gzip, layer.Zstd} {
		built, err := tree.Flatten(t.Context(), src, &layer.Options{Compression: compression})
		if err != nil {
			t.Fatal(err)
		}
		flat := treeOf(t, src, built.Descriptor)
		if diff := cmp.Diff(described(tree), described(flat)); diff != "" {
			t.Errorf("%s: %s", compression, diff)
		}
		for _, name := range []string{"/bin/su", "/bin/ping6", "/big", "/größe", "/empty"} {
			want, got := readFile(t, tree, name), readFile(t, flat, name)
			if want != got {
				t.Errorf("%s: %s: %d bytes, want %d", compression, name, len(got), len(want))
			}
		}
		if compression == layer.None {
			plain = built
		}
		if built.DiffID != plain.DiffID {
			t.Errorf("%s: the diff ID is %s and not %s", compression, built.DiffID, plain.DiffID)
		}
		again, err := flat.Flatten(t.Context(), src, &layer.Options{Compression: compression})
		if err != nil || again.DiffID != built.DiffID {
			t.Errorf("%s: flattened twice: %v, %v", compression, again, err)
		}
	}
	var exported bytes.Buffer
	if err := tree.WriteTar(t.Context(), &exported); err != nil {
		t.Fatal(err)
	}
	if got := digest.FromBytes(exported.Bytes()); got != plain.DiffID {
		t.Errorf("exported it is %s, and flattened %s", got, plain.DiffID)
	}
	// Diff IDs stay what they are in all releases.
	if want := "sha256:d3311d09d4d3becb3cdf7c74ae24f0f791981ee9a625c4d150c81fcf2683c68e"; plain.DiffID.String() != want {
		t.Errorf("the diff ID is %s, want %s", plain.DiffID, want)
	}
}

func readFile(t *testing.T, tree *rootfs.Tree, name string) string {
	t.Helper()
	r, err := tree.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// readLog remembers what is read.
type readLog struct {
	content.Fetcher

	mu    sync.Mutex
	reads []content.Descriptor
}

// Fetch implements content.Fetcher.
func (c *readLog) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	c.mu.Lock()
	c.reads = append(c.reads, desc)
	c.mu.Unlock()
	return c.Fetcher.Fetch(ctx, desc)
}

// TestFlattenReadsInOrder: each layer is read once, in order, and one of which nothing is left is not.
func TestFlattenReadsInOrder(t *testing.T) {
	src := new(content.Memory)
	layers := []content.Descriptor{
		layerOf(t, src, true, "d a\nf a/1 one\nf a/2 two\nf a/3 three"), layerOf(t, src, true, "f gone x"), layerOf(t, src, true, "f .wh.gone\nf a/2 new\nf a/0 zero\nh z a/1"),
	}
	count := &readLog{Fetcher: src}
	tree := treeOf(t, count, layers...)
	count.reads = nil
	built, err := tree.Flatten(t.Context(), src, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := []content.Descriptor{layers[0], layers[2]}; !slices.EqualFunc(count.reads, want, func(a, b content.Descriptor) bool { return a.Digest == b.Digest }) {
		t.Errorf("read %v, want %v", count.reads, want)
	}
	if got, want := listing(t, treeOf(t, src, built.Descriptor)), "d /a\nf /a/0 zero\nf /a/1 one\nf /a/2 new\nf /a/3 three\nh /z /a/1"; got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// changing is a source whose blobs are other ones when they are read again.
type changing struct {
	*content.Memory
	reads int
	again []byte
}

// Fetch implements content.Fetcher.
func (c *changing) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	if c.reads++; c.reads > 1 {
		return content.Verify(io.NopCloser(bytes.NewReader(c.again)), desc)
	}
	return c.Memory.Fetch(ctx, desc)
}

// TestFlattenOfWhatChanged: what is not what it was, or ends early, makes no layer; behind the last file too.
func TestFlattenOfWhatChanged(t *testing.T) {
	for name, other := range map[string]string{
		"other contents": "f a y", "more behind": "f a x\nf b y", "fewer files": "d a", "longer": "f a xx",
	} {
		src, elsewhere := new(content.Memory), new(content.Memory)
		desc := layerOf(t, elsewhere, false, other)
		again, err := content.ReadAll(t.Context(), elsewhere, desc)
		if err != nil {
			t.Fatal(err)
		}
		tree := treeOf(t, &changing{Memory: src, again: again}, layerOf(t, src, false, "f a x"))
		if _, err := tree.Flatten(t.Context(), new(content.Memory), nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestFlattenLimits holds what comes of the layers to the limits.
func TestFlattenLimits(t *testing.T) {
	src := new(content.Memory)
	tree := treeOf(t, src, layerOf(t, src, false, "f a xx\nf b yy\nf c zz"), layerOf(t, src, false, "f .wh.a"))
	for _, c := range []struct {
		files, bytes int64
		want         error
	}{{2, 4, nil}, {1, 4, layer.ErrTooManyFiles}, {2, 3, layer.ErrTooLarge}} {
		if _, err := tree.Flatten(t.Context(), src, &layer.Options{MaxFiles: c.files, MaxBytes: c.bytes}); !errors.Is(err, c.want) {
			t.Errorf("%d files, %d bytes: %v", c.files, c.bytes, err)
		}
	}
}

// TestFlattenCancelled ends, and leaves nothing running.
func TestFlattenCancelled(t *testing.T) {
	defer goleak.VerifyNone(t)
	src := new(content.Memory)
	tree := treeOf(t, src, everything(t, src)...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tree.Flatten(ctx, src, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
