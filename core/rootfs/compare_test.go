package rootfs_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/rootfs"
)

// read lists the numbers of the layers that were read, of equal ones the first. None may be read twice.
func read(t *testing.T, c *counting) []int {
	t.Helper()
	all := []int{}
	for i, n := range c.opened {
		if n > 1 {
			t.Errorf("layer %d was read %d times", i, n)
		}
		if n > 0 {
			all = append(all, i)
		}
	}
	return all
}

// shown is a comparison as lines: "+ PATH", "- PATH", "~ PATH FIELD,FIELD".
func shown(c *rootfs.Comparison) string {
	var lines []string
	for i := range c.Differences {
		d := &c.Differences[i]
		switch {
		case d.Old == nil:
			lines = append(lines, "+ "+d.Path)
		case d.New == nil:
			lines = append(lines, "- "+d.Path)
		default:
			lines = append(lines, "~ "+d.Path+" "+strings.Join(d.Fields(), ","))
		}
	}
	return strings.Join(lines, "\n")
}

// TestCompare compares images of layers that are lines as those of layerOf, and reads no more of them than it must.
func TestCompare(t *testing.T) {
	base := "d etc\nf etc/passwd root\nd lib\nf lib/x 1\nl link lib"
	for name, c := range map[string]struct {
		shared   []string // layers that both have
		old, new []string // those above
		want     string
		read     []int // numbers of the layers that are read: the shared ones, the old ones, the new ones
	}{
		"the same":                       {[]string{base}, nil, nil, "", []int{}},
		"more":                           {[]string{base}, nil, []string{"d app\nf app/a x"}, "+ /app\n+ /app/a", []int{0, 1}},
		"less":                           {[]string{base}, []string{"d app\nf app/a x"}, nil, "- /app\n- /app/a", []int{0, 1}},
		"a file of the base replaced":    {[]string{base}, nil, []string{"f etc/passwd other"}, "~ /etc/passwd size,digest", []int{0, 1}},
		"a file of the base once more":   {[]string{base}, nil, []string{"f etc/passwd root"}, "", []int{0, 1}},
		"a file of the base removed":     {[]string{base}, nil, []string{"f etc/.wh.passwd"}, "- /etc/passwd", []int{0, 1}},
		"through a link of the base":     {[]string{base}, []string{"f link/x 2"}, []string{"f link/x 3"}, "~ /lib/x digest", []int{0, 1, 2}},
		"through a link of their own":    {[]string{base}, []string{"d a\nl a link\nf a/x 2"}, []string{"d a\nl a link\nf a/x 3"}, "~ /lib/x digest", []int{0, 1, 2}},
		"the same paths":                 {[]string{base, base}, []string{"d app\nf app/a x\nf app/b y"}, []string{"d app\nf app/a z\nf app/b y"}, "~ /app/a digest", []int{2, 3}},
		"the same paths in the root":     {[]string{base}, []string{"f a x"}, []string{"f a yy"}, "~ /a size,digest", []int{1, 2}},
		"another path":                   {[]string{base}, []string{"d app\nf app/a x"}, []string{"d app\nf app/b x"}, "- /app/a\n+ /app/b", []int{0, 1, 2}},
		"another path of the base":       {[]string{base}, []string{"d lib\nf lib/x 2"}, []string{"d lib\nf lib/y 1"}, "~ /lib/x digest\n+ /lib/y", []int{0, 1, 2}},
		"the same whiteouts":             {[]string{base}, []string{"d lib\nf lib/.wh.x\nf a x"}, []string{"d lib\nf lib/.wh.x\nf a y"}, "~ /a digest", []int{1, 2}},
		"another whiteout":               {[]string{base}, []string{"d lib\nf lib/.wh.x"}, []string{"d lib"}, "+ /lib/x", []int{0, 1, 2}},
		"the same opaque directory":      {[]string{base}, []string{"d lib\nf lib/.wh..wh..opq\nf lib/y 1"}, []string{"d lib\nf lib/.wh..wh..opq\nf lib/y 2"}, "~ /lib/y digest", []int{1, 2}},
		"an opaque link":                 {[]string{base}, []string{"f link/.wh..wh..opq\nf a 1"}, []string{"f link/.wh..wh..opq\nf a 2"}, "~ /a digest", []int{0, 1, 2}},
		"a file, then a directory":       {[]string{base}, []string{"f lib x", "d lib"}, []string{"d lib", "d lib"}, "+ /lib/x", []int{0, 1, 2}},
		"a hard link to the base":        {[]string{base}, []string{"h a lib/x\nf b 1"}, []string{"h a lib/x\nf b 2"}, "~ /b digest", []int{0, 1, 2}},
		"a hard link of their own":       {[]string{base}, []string{"f a 1\nh b a"}, []string{"f a 2\nh b a"}, "~ /a digest\n~ /b digest", []int{1, 2}},
		"a hard link and a file":         {nil, []string{"f a 1\nh b a"}, []string{"f a 1\nf b 1"}, "~ /b link", []int{0, 1}},
		"a link":                         {nil, []string{"l a b"}, []string{"l a c"}, "~ /a link", []int{0, 1}},
		"a directory in place of a file": {nil, []string{"f a x"}, []string{"d a\nf a/b x"}, "~ /a type,mode,size,digest\n+ /a/b", []int{0, 1}},
		"another base":                   {nil, []string{base, "d app\nf app/a x"}, []string{"d etc\nf etc/motd hi", "d app\nf app/a x"}, "+ /etc/motd\n- /etc/passwd\n- /lib\n- /lib/x\n- /link", []int{0, 1, 2}},
		"nothing in one":                 {nil, nil, []string{"f a x"}, "+ /a", []int{0}},
		"nothing in both":                {nil, nil, nil, "", []int{}},
	} {
		t.Run(name, func(t *testing.T) {
			src := new(content.Memory)
			layers := func(texts []string) (all []content.Descriptor) {
				for _, text := range texts {
					all = append(all, layerOf(t, src, false, text))
				}
				return all
			}
			shared, old, new := layers(c.shared), layers(c.old), layers(c.new)
			all := slices.Concat(shared, old, new)
			count := newCounting(src, all)
			got, err := rootfs.Compare(t.Context(), rootfs.Layers{Source: count, Layers: slices.Concat(shared, old)}, rootfs.Layers{Source: count, Layers: slices.Concat(shared, new)}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if s := shown(got); s != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", s, c.want)
			}
			if got := read(t, count); !slices.Equal(got, firstOf(c.read, all)) {
				t.Errorf("the layers %v were read, want %v", got, c.read)
			}
		})
	}
}

// firstOf makes numbers of the first of equal layers of those numbers, each once.
func firstOf(numbers []int, layers []content.Descriptor) []int {
	all := []int{}
	for _, n := range numbers {
		all = append(all, slices.IndexFunc(layers, func(l content.Descriptor) bool { return l.Digest == layers[n].Digest }))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// entryLayer is a layer of headers; a file's contents are its Linkname.
func entryLayer(t *testing.T, src *content.Memory, headers ...tar.Header) content.Descriptor {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		data := ""
		if h.Typeflag == tar.TypeReg {
			data, h.Linkname = h.Linkname, ""
			h.Size = int64(len(data))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, data); err != nil {
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

// TestCompareFields names what differs of a file.
func TestCompareFields(t *testing.T) {
	file := tar.Header{Name: "f", Typeflag: tar.TypeReg, Mode: 0o644, Uid: 1, Gid: 2, Uname: "ann", Linkname: "text", ModTime: time.Unix(100, 0)}
	link := tar.Header{Name: "f", Typeflag: tar.TypeSymlink, Mode: 0o777, Linkname: "x", ModTime: time.Unix(100, 0)}
	device := tar.Header{Name: "f", Typeflag: tar.TypeChar, Mode: 0o600, Devmajor: 1, Devminor: 3, ModTime: time.Unix(100, 0)}
	for name, c := range map[string]struct {
		of     tar.Header
		change func(h *tar.Header)
		want   string
		times  int
	}{
		"nothing":         {file, func(*tar.Header) {}, "", 0},
		"mode":            {file, func(h *tar.Header) { h.Mode = 0o4755 }, "mode", 0},
		"owner":           {file, func(h *tar.Header) { h.Uid, h.Gid = 3, 4 }, "uid,gid", 0},
		"an owner's name": {file, func(h *tar.Header) { h.Uname, h.Gname = "", "staff" }, "", 0},
		"contents":        {file, func(h *tar.Header) { h.Linkname = "TEXT" }, "digest", 0},
		"more contents":   {file, func(h *tar.Header) { h.Linkname = "texts" }, "size,digest", 0},
		"time":            {file, func(h *tar.Header) { h.ModTime = time.Unix(101, 0) }, "", 1},
		"time and more":   {file, func(h *tar.Header) { h.ModTime, h.Mode = time.Unix(101, 0), 0o600 }, "mode,mtime", 0},
		"attributes":      {file, func(h *tar.Header) { h.PAXRecords = map[string]string{"SCHILY.xattr.user.a": "b"} }, "xattrs", 0},
		"link":            {link, func(h *tar.Header) { h.Linkname = "y" }, "link", 0},
		"a link's mode":   {link, func(h *tar.Header) { h.Mode = 0o755 }, "", 0},
		"device":          {device, func(h *tar.Header) { h.Devminor = 5 }, "device", 0},
		"device's type":   {device, func(h *tar.Header) { h.Typeflag = tar.TypeBlock }, "type", 0},
	} {
		t.Run(name, func(t *testing.T) {
			src := new(content.Memory)
			changed := c.of
			c.change(&changed)
			layers := func(h tar.Header) rootfs.Layers {
				return rootfs.Layers{Source: src, Layers: []content.Descriptor{entryLayer(t, src, h)}}
			}
			got, err := rootfs.Compare(t.Context(), layers(c.of), layers(changed), nil)
			if err != nil {
				t.Fatal(err)
			}
			want := ""
			if c.want != "" {
				want = "~ /f " + c.want
			}
			if shown(got) != want || got.Times != c.times {
				t.Errorf("got %q and %d times, want %q and %d", shown(got), got.Times, want, c.times)
			}
			got, err = rootfs.Compare(t.Context(), layers(c.of), layers(changed), &rootfs.CompareOptions{Times: true})
			if err != nil {
				t.Fatal(err)
			}
			if c.times > 0 {
				want = "~ /f mtime"
			}
			if shown(got) != want || got.Times != 0 {
				t.Errorf("with times: got %q and %d times, want %q", shown(got), got.Times, want)
			}
		})
	}
}

// TestCompareDescribes gives both files with their digests and layers.
func TestCompareDescribes(t *testing.T) {
	src := new(content.Memory)
	base := layerOf(t, src, false, "f other x")
	old, new := layerOf(t, src, true, "f a text\nh b a"), layerOf(t, src, true, "f a texts\nh b a")
	got, err := rootfs.Compare(t.Context(), rootfs.Layers{Source: src, Layers: []content.Descriptor{base, old}}, rootfs.Layers{Source: src, Layers: []content.Descriptor{base, new}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Differences) != 2 {
		t.Fatalf("got %s", shown(got))
	}
	a, b := got.Differences[0], got.Differences[1]
	if a.Old.Digest != digest.FromString("text") || a.New.Digest != digest.FromString("texts") || a.Old.Size != 4 || a.New.Size != 5 || a.New.Layer != 1 {
		t.Errorf("got %+v and %+v", a.Old, a.New)
	}
	if b.New.Type != rootfs.Hardlink || b.New.Link != "/a" || b.New.Digest != a.New.Digest {
		t.Errorf("got %+v", b.New)
	}
}

// TestCompareByDiffIDs takes layers for the same that are compressed in two ways.
func TestCompareByDiffIDs(t *testing.T) {
	src := new(content.Memory)
	plain, packed := layerOf(t, src, false, "f a x"), layerOf(t, src, true, "f a x")
	ids := []digest.Digest{plain.Digest}
	count := newCounting(src, []content.Descriptor{plain, packed})
	got, err := rootfs.Compare(t.Context(),
		rootfs.Layers{Source: count, Layers: []content.Descriptor{plain}, DiffIDs: ids}, rootfs.Layers{Source: count, Layers: []content.Descriptor{packed}, DiffIDs: ids}, nil)
	if err != nil || shown(got) != "" || len(read(t, count)) > 0 {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestCompareFails names the layer.
func TestCompareFails(t *testing.T) {
	src := new(content.Memory)
	good, bad := layerOf(t, src, false, "f a x"), layerOf(t, src, false, "h a b")
	missing := content.Of(content.OCILayer, []byte("missing"))
	side := func(layers ...content.Descriptor) rootfs.Layers { return rootfs.Layers{Source: src, Layers: layers} }
	_, err := rootfs.Compare(t.Context(), side(good), side(good, missing), nil)
	if !errors.Is(err, content.ErrNotFound) || !strings.Contains(err.Error(), "layer 2, "+missing.Digest.String()) {
		t.Errorf("got %v", err)
	}
	_, err = rootfs.Compare(t.Context(), side(good, bad), side(good), nil)
	if !errors.Is(err, content.ErrInvalid) || !strings.Contains(err.Error(), "layer 2, "+bad.Digest.String()) {
		t.Errorf("got %v", err)
	}
	stopped, stop := context.WithCancelCause(t.Context())
	stop(errors.New("enough of it"))
	if _, err := rootfs.Compare(stopped, side(good), side(), nil); err == nil {
		t.Error("a cancelled comparison succeeded")
	}
}

// randomLayer is a layer of some lines, of few names and not very deep, so that they meet.
func randomLayer(r *rand.Rand, deep int) string {
	name := func() string {
		parts := make([]string, 1+r.IntN(deep))
		for i := range parts {
			parts[i] = string("abc"[r.IntN(3)])
		}
		return strings.Join(parts, "/")
	}
	var lines []string
	for range 1 + r.IntN(6) {
		n := name()
		switch r.IntN(20) {
		case 0, 1, 2, 3, 4, 5:
			lines = append(lines, "d "+n)
		case 6:
			lines = append(lines, "l "+n+" "+name())
		case 7:
			lines = append(lines, "h "+n+" "+name())
		case 8:
			lines = append(lines, "f "+n+"/.wh..wh..opq")
		case 9, 10:
			lines = append(lines, "f "+n[:1]+"/.wh."+name()[:1])
		default:
			lines = append(lines, fmt.Sprintf("f %s %d", n, r.IntN(3)))
		}
	}
	return strings.Join(lines, "\n")
}

// TestCompareAlone compares random images with and without what they share: that must come to the same.
func TestCompareAlone(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	alone := 0
	for range 1500 {
		src := new(content.Memory)
		base := layerOf(t, src, false, randomLayer(r, 3))
		text := "d a\nd b\nd c\nf a/a 1\n" + randomLayer(r, 2)
		old := []content.Descriptor{base, layerOf(t, src, false, text)}
		changed := strings.NewReplacer(" 1", " 2", "l a", "f a", "d b/", fmt.Sprintf("%c b/", "df"[r.IntN(2)])).Replace(text)
		if r.IntN(4) == 0 {
			changed = randomLayer(r, 3)
		}
		new := []content.Descriptor{base, layerOf(t, src, false, changed)}
		if r.IntN(3) == 0 {
			more := randomLayer(r, 3)
			old, new = append(old, layerOf(t, src, false, more)), append(new, layerOf(t, src, false, more))
		}
		// With diff IDs of its own, no layer is like another.
		var apart [2][]digest.Digest
		for i := range 2 * len(old) {
			apart[i%2] = append(apart[i%2], digest.FromString(fmt.Sprint(i)))
		}
		whole, err := rootfs.Compare(t.Context(), rootfs.Layers{Source: src, Layers: old, DiffIDs: apart[0]}, rootfs.Layers{Source: src, Layers: new, DiffIDs: apart[1]}, nil)
		if err != nil {
			continue // such as a hard link to nothing
		}
		count := newCounting(src, slices.Concat(old, new))
		got, err := rootfs.Compare(t.Context(), rootfs.Layers{Source: count, Layers: old}, rootfs.Layers{Source: count, Layers: new}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if shown(got) != shown(whole) || got.Times != whole.Times {
			t.Fatalf("the second layers:\n%s\n\n%s\n\ngot:\n%s\nwant:\n%s", text, changed, shown(got), shown(whole))
		}
		if !slices.Contains(read(t, count), 0) && shown(got) != "" {
			alone++
		}
	}
	if alone < 100 {
		t.Errorf("only %d were compared without what they share", alone)
	}
}
