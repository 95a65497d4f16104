package rootfs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/rootfs"
)

// counting is a source that counts how often each layer is opened and how many of its bytes are read.
type counting struct {
	content.Fetcher
	layers []content.Descriptor

	mu     sync.Mutex
	opened []int
	read   []int64
}

func newCounting(src content.Fetcher, layers []content.Descriptor) *counting {
	return &counting{Fetcher: src, layers: layers, opened: make([]int, len(layers)), read: make([]int64, len(layers))}
}

// Fetch implements content.Fetcher.
func (c *counting) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	i := slices.IndexFunc(c.layers, func(d content.Descriptor) bool { return d.Digest == desc.Digest })
	r, err := c.Fetcher.Fetch(ctx, desc)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened[i]++
	return &countedRead{r, c, i}, err
}

type countedRead struct {
	io.ReadCloser
	by    *counting
	layer int
}

// Read implements io.Reader.
func (r *countedRead) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.by.mu.Lock()
	defer r.by.mu.Unlock()
	r.by.read[r.layer] += int64(n)
	return n, err
}

// kept are lists in memory.
type kept struct{ all sync.Map }

// Get implements rootfs.Lists.
func (k *kept) Get(_ context.Context, digest string) ([]byte, bool) {
	data, ok := k.all.Load(digest)
	if !ok {
		return nil, false
	}
	return data.([]byte), true
}

// Put implements rootfs.Lists.
func (k *kept) Put(_ context.Context, digest string, list []byte) { k.all.Store(digest, list) }

func pushLayers(t *testing.T, texts []string) (*content.Memory, []content.Descriptor) {
	t.Helper()
	src := new(content.Memory)
	var layers []content.Descriptor
	for i, text := range texts {
		layers = append(layers, layerOf(t, src, i%2 == 1, text))
	}
	return src, layers
}

func readAll(r io.ReadCloser, err error) (string, error) {
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(r)
	return string(data), errors.Join(err, r.Close())
}

// TestOpen opens files from the topmost layer down. "opened" says how often each layer was, the lowest first.
func TestOpen(t *testing.T) {
	base := "d etc\nf etc/passwd root\nf etc/old old\nd usr\nd usr/lib\nf usr/lib/x lib\nf usr/lib/os debian\nl lib usr/lib\nl etc/os ../usr/lib/os\nl etc/far /usr/lib/x"
	for name, c := range map[string]struct {
		layers []string
		path   string
		want   string // the contents, or the error
		opened string
	}{
		"in the top layer":                  {[]string{base, "d app\nf app/x 2"}, "/app/x", "2", "[0 1]"},
		"in the top layer, without parents": {[]string{base, "f app/x 2"}, "app/x", "2", "[0 1]"},
		"replaced":                          {[]string{base, "d etc\nf etc/passwd new"}, "/etc/passwd", "new", "[0 1]"},
		"below":                             {[]string{base, "d app\nf app/x 2", "d app\nf app/y 3"}, "/etc/passwd", "root", "[1 1 1]"},
		"in the middle":                     {[]string{base, "d app\nf app/x 2", "d app\nf app/y 3"}, "/app/x", "2", "[0 1 1]"},
		"a link in the layer":               {[]string{base, "d app\nf app/x 2\nl app/l x"}, "/app/l", "2", "[0 2]"},
		"a link before its file":            {[]string{base, "d app\nl app/l x\nf app/x 2"}, "/app/l", "2", "[0 1]"},
		"a link up":                         {[]string{base}, "/etc/os", "debian", "[2]"},
		"a link to a lower layer":           {[]string{base, "d app\nl app/l /etc/passwd"}, "/app/l", "root", "[1 1]"},
		"a link into an upper layer":        {[]string{base, "d usr\nd usr/lib\nf usr/lib/x new"}, "/etc/far", "new", "[1 2]"},
		"a directory that is a link":        {[]string{base, "d app\nf app/x 2"}, "/lib/x", "lib", "[2 1]"},
		"through a link, in the top layer":  {[]string{base, "f lib/y 2"}, "/lib/y", "2", "[0 1]"},
		"through a link, asked without":     {[]string{base, "f lib/x 2"}, "/usr/lib/x", "2", "[1 2]"},
		"through a link, below another":     {[]string{base, "f lib/x 2", "d usr\nd usr/lib\nf usr/lib/x 3"}, "/lib/x", "3", "[1 1 2]"},
		"a link replaced by a directory":    {[]string{base, "f lib/x 2", "d lib\nf lib/z 3"}, "/lib/x", "no such file", "[1 1 1]"},
		"a hard link":                       {[]string{base, "f app/x 2\nh app/y app/x"}, "/app/y", "2", "[0 2]"},
		"a hard link to a lower layer":      {[]string{base, "d etc\nh etc/p etc/passwd"}, "/etc/p", "root", "[2 1]"},
		"up from behind a link":             {[]string{base, "l lib/up ../etc/passwd"}, "/lib/up", "no such file", "[1 1]"},
		"removed":                           {[]string{base, "d etc\nf etc/.wh.passwd"}, "/etc/passwd", "no such file", "[1 1]"},
		"removed and new":                   {[]string{base, "d etc\nf etc/.wh.passwd\nf etc/passwd new"}, "/etc/passwd", "new", "[0 1]"},
		"new and removed":                   {[]string{base, "d etc\nf etc/passwd new\nf etc/.wh.passwd"}, "/etc/passwd", "new", "[0 1]"},
		"a directory removed":               {[]string{base, "f .wh.etc"}, "/etc/passwd", "no such file", "[1 1]"},
		"opaque":                            {[]string{base, "d etc\nf etc/.wh..wh..opq\nf etc/new 2"}, "/etc/passwd", "no such file", "[1 1]"},
		"opaque and new":                    {[]string{base, "d etc\nf etc/.wh..wh..opq\nf etc/new 2"}, "/etc/new", "2", "[0 1]"},
		"removed through a link":            {[]string{base, "f lib/.wh.x"}, "/usr/lib/x", "no such file", "[1 1]"},
		"a link that is removed":            {[]string{base, "f .wh.lib\nd lib\nf lib/x 2", "d app\nf app/x 3"}, "/lib/x", "2", "[0 1 1]"},
		"AUFS":                              {[]string{base, "f .wh..wh.plnk x\nd etc\nf etc/.wh. x"}, "/etc/passwd", "root", "[1 1]"},
		"a directory":                       {[]string{base, "d etc"}, "/etc", "it is a directory", "[0 1]"},
		"the root":                          {[]string{base, "d etc"}, "/", "it is a directory", "[1 1]"},
		"a link to the root":                {[]string{base, "l r /"}, "/r/etc/passwd", "root", "[1 1]"},
		"a link that is the root":           {[]string{"d .\n" + base, "l r /"}, "/r", "it is a directory", "[1 1]"},
		"a file as a directory":             {[]string{base, "f app 2"}, "/app/x", `"/app" is no directory`, "[1 1]"},
		"a loop":                            {[]string{base, "l a b\nl b a"}, "/a/x", "links", "[1 1]"},
		"a link to itself":                  {[]string{base, "l a a"}, "/a", "links", "[1 1]"},
		"nothing":                           {[]string{base, "d app"}, "/nothing/at/all", "no such file", "[1 1]"},
		"with ..":                           {[]string{base, "d app\nf app/x 2"}, "/app/../etc/passwd", "root", "[2 1]"},
		"no layers":                         {nil, "/x", "no such file", "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			src, layers := pushLayers(t, c.layers)
			counted := newCounting(src, layers)
			reader := rootfs.NewReader(counted, layers, nil)
			f, data, err := reader.Open(t.Context(), c.path)
			got, err := readAll(data, err)
			if err != nil {
				got = err.Error()
			}
			if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if opened := fmt.Sprint(counted.opened); opened != c.opened {
				t.Errorf("opened %s, want %s", opened, c.opened)
			}
			if strings.HasPrefix(c.want, "no such file") && !errors.Is(err, rootfs.ErrNotFound) {
				t.Errorf("%v is no ErrNotFound", err)
			}
			tree, treeErr := reader.Tree(t.Context())
			if treeErr != nil {
				t.Fatal(treeErr)
			}
			if err == nil {
				want, err := tree.Lookup(c.path, true)
				if err != nil || f.Type != want.Type || f.Size != want.Size || f.Layer != want.Layer {
					t.Errorf("the file is %+v, want %+v, %v", f, want, err)
				}
			}
		})
	}
}

// TestOpenReadsNoFurther: of a layer no more is read than up to the file, give or take what buffers hold.
func TestOpenReadsNoFurther(t *testing.T) {
	big := strings.Repeat("incompressible? not needed: the layer is plain. ", 1<<18) // 12 MiB
	src, layers := pushLayers(t, []string{"f base " + strings.ReplaceAll(big, " ", "_"), "", "f first 1\nf big " + strings.ReplaceAll(big, " ", "_") + "\nf last 3"})
	counted := newCounting(src, layers)
	reader := rootfs.NewReader(counted, layers, nil)
	got, err := readAll(second(reader.Open(t.Context(), "/first")))
	if got != "1" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	if most := int64(1 << 20); counted.read[2] > most || counted.read[0]+counted.read[1] > 0 {
		t.Errorf("read %d bytes of the layers, want at most %d of the last alone, which has %d", counted.read, most, layers[2].Size)
	}
	if _, err := reader.Tree(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, n := range counted.read {
		if n < layers[i].Size {
			t.Errorf("of layer %d only %d bytes were read for the tree, and so not verified", i, n)
		}
	}
	before := slices.Clone(counted.opened)
	if _, err := reader.Tree(t.Context()); err != nil || !slices.Equal(before, counted.opened) {
		t.Errorf("a second tree opened layers: %d, then %d, %v", before, counted.opened, err)
	}
}

func second(_ rootfs.File, r io.ReadCloser, err error) (io.ReadCloser, error) { return r, err }

// TestLists: what is in layers that were read to their ends is not found out again, and a damaged list is.
func TestLists(t *testing.T) {
	src, layers := pushLayers(t, []string{"d a\nf a/x 1\nl l a", "f a/.wh.x\nf a/y 2\nh a/z a/y", ""})
	lists := new(kept)
	var want string
	for _, damage := range []bool{false, false, true} {
		if damage {
			lists.all.Range(func(digest, _ any) bool {
				lists.all.Store(digest, []byte("damaged"))
				return true
			})
		}
		counted := newCounting(src, layers)
		reader := rootfs.NewReader(counted, layers, &rootfs.Options{Lists: lists})
		tree, err := reader.Tree(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		opened := fmt.Sprint(counted.opened)
		if known := want != "" && !damage; known != (opened == "[0 0 0]") {
			t.Errorf("opened %s", opened)
		}
		got := listing(t, tree)
		if want == "" {
			want = got
		}
		if got != want || got != "d /a\nf /a/y 2\nh /a/z /a/y\nl /l a" {
			t.Errorf("got:\n%s", got)
		}
		if got, err := readAll(second(reader.Open(t.Context(), "/l/z"))); got != "2" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
}

// TestListing: layers are listed from one source, and their contents come from the other.
func TestListing(t *testing.T) {
	src, layers := pushLayers(t, []string{"f a 1", "f b 2"})
	contents, lists := newCounting(src, layers), newCounting(src, layers)
	tree, err := rootfs.NewReader(contents, layers, &rootfs.Options{Listing: lists}).Tree(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.WriteTar(t.Context(), io.Discard); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(contents.opened, lists.opened) != "[1 1] [1 1]" {
		t.Errorf("opened %d for the contents, %d for the lists", contents.opened, lists.opened)
	}
}

// TestReadDir lists directories, by way of links too.
func TestReadDir(t *testing.T) {
	src, layers := pushLayers(t, []string{"d a\nf a/x 1\nd a/d\nf a/d/deep 2\nl l a\nh a/y a/x"})
	tree, err := rootfs.Read(t.Context(), src, layers)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"/": "/a /l", "": "/a /l", "/a": "/a/d /a/x /a/y>/a/x", "l/": "/a/d /a/x /a/y>/a/x", "/a/d": "/a/d/deep"} {
		files, err := tree.ReadDir(name)
		if err != nil {
			t.Errorf("%q: %v", name, err)
		}
		var got []string
		for _, f := range files {
			text := f.Path
			if f.Type == rootfs.Hardlink {
				text += ">" + f.Link
			}
			got = append(got, text)
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%q: got %s, want %s", name, text, want)
		}
	}
	if _, err := tree.ReadDir("/a/x"); !errors.Is(err, content.ErrInvalid) {
		t.Errorf("a file: %v", err)
	}
	if _, err := tree.ReadDir("/b"); !errors.Is(err, rootfs.ErrNotFound) || !errors.Is(err, content.ErrNotFound) {
		t.Errorf("nothing: %v", err)
	}
}

// TestCancelled: who no longer wants an answer gets none, whatever is under way.
func TestCancelled(t *testing.T) {
	src, layers := pushLayers(t, []string{"f a 1", "f b " + strings.Repeat("x", 1<<20)})
	reader := rootfs.NewReader(src, layers, nil)
	ctx, cancel := context.WithCancel(t.Context())
	_, data, err := reader.Open(ctx, "/b")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, data); !errors.Is(err, context.Canceled) {
		t.Errorf("reading on: %v", err)
	}
	data.Close()
	if _, err := reader.Tree(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a tree: %v", err)
	}
	if _, _, err := reader.Open(ctx, "/a"); !errors.Is(err, context.Canceled) {
		t.Errorf("another file: %v", err)
	}
}

// TestWriteTarVerifies: of layers that are known from before, what is written is held to their digests all the same, behind the last file that is left too.
func TestWriteTarVerifies(t *testing.T) {
	src, layers := pushLayers(t, []string{"f a 1\nf b 2\nf gone 3", "", "f .wh.gone"})
	lists := new(kept)
	if _, err := rootfs.NewReader(src, layers, &rootfs.Options{Lists: lists}).Tree(t.Context()); err != nil {
		t.Fatal(err)
	}
	data, err := content.ReadAll(t.Context(), src, layers[0])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1024-512]++ // of the contents of the file that is gone
	tree, err := rootfs.NewReader(cut{data}, layers, &rootfs.Options{Lists: lists}).Tree(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.WriteTar(t.Context(), io.Discard); !errors.Is(err, content.ErrVerification) || !strings.Contains(err.Error(), "layer 1") {
		t.Errorf("other bytes: %v", err)
	}
}
