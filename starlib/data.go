package starlib

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/layer"
)

// blobValue is a Blob.
type blobValue struct {
	s *session
	b *build.Blob
}

var blobClass = &class[*blobValue]{name: "Blob", attributes: []attribute[*blobValue]{
	{name: "digest", get: (*blobValue).digest},
	{name: "size", get: (*blobValue).size},
}}

func (b *blobValue) digest() (starlark.Value, error) {
	dgst, err := b.s.run.Digest(b.b)
	if err != nil {
		return nil, b.s.failWait(err)
	}
	return starlark.String(dgst), nil
}

func (b *blobValue) size() (starlark.Value, error) {
	n, err := b.b.SizeOf(b.s.run.Context())
	if err != nil {
		return nil, b.s.failWait(err)
	}
	return starlark.MakeInt64(n), nil
}

// String implements starlark.Value.
func (b *blobValue) String() string { return fmt.Sprintf("<Blob %s>", printable(b.b.Name)) }

// Type implements starlark.Value.
func (b *blobValue) Type() string { return blobClass.name }

// Freeze implements starlark.Value.
func (b *blobValue) Freeze() {}

// Truth implements starlark.Value.
func (b *blobValue) Truth() starlark.Bool { return true }

// Hash implements starlark.Value.
func (b *blobValue) Hash() (uint32, error) { return 0, unhashable(b) }

// Attr implements starlark.HasAttrs.
func (b *blobValue) Attr(name string) (starlark.Value, error) { return blobClass.attr(b, name) }

// AttrNames implements starlark.HasAttrs.
func (b *blobValue) AttrNames() []string { return blobClass.attrNames() }

// fileValue is a File: an entry of a layer, for add_files.
type fileValue struct {
	kind string // "file", "custom_file", "whiteout" or "opaque"
	file build.File
	data dataArg // of a custom file
	size *int64  // of data, as the script said
}

// String implements starlark.Value.
func (f *fileValue) String() string {
	if f.kind == "file" {
		return fmt.Sprintf("file(%q)", f.file.Local)
	}
	return f.kind + "(…)"
}

// Type implements starlark.Value.
func (f *fileValue) Type() string { return "File" }

// Freeze implements starlark.Value.
func (f *fileValue) Freeze() {}

// Truth implements starlark.Value.
func (f *fileValue) Truth() starlark.Bool { return true }

// Hash implements starlark.Value.
func (f *fileValue) Hash() (uint32, error) { return 0, unhashable(f) }

// at is the file for a target of an add_files call.
func (f *fileValue) at(s *session, target string) (build.File, error) {
	file := f.file
	file.Target = target
	if f.data.v == nil {
		return file, nil
	}
	blob, err := f.data.blob(s)
	if err != nil {
		return file, err
	}
	if f.size != nil {
		sized := *blob
		sized.Size = *f.size
		blob = &sized
	}
	file.Data = blob
	return file, nil
}

// dataArg is an argument that is bytes, however they come.
type dataArg struct{ v starlark.Value }

// Unpack implements starlark.Unpacker.
func (d *dataArg) Unpack(v starlark.Value) error {
	switch v := v.(type) {
	case starlark.String, starlark.Bytes, *blobValue, *layerValue:
	case *fileValue:
		if v.kind != "file" {
			return wanted("a string, bytes, a Blob, a File of file() or a Layer", v, "")
		}
	default:
		return wanted("a string, bytes, a Blob, a File of file() or a Layer", v, "")
	}
	d.v = v
	return nil
}

// blob is the data for the engine.
func (d dataArg) blob(s *session) (*build.Blob, error) {
	switch v := d.v.(type) {
	case starlark.String:
		return build.BytesBlob("text", []byte(v)), nil
	case starlark.Bytes:
		return build.BytesBlob("bytes", []byte(v)), nil
	case *blobValue:
		return v.b, nil
	case *layerValue:
		return v.b.Blob(), nil
	case *fileValue:
		blob, err := s.run.FileBlob(v.file.Local)
		return blob, s.pathHint(err, v.file.Local)
	}
	return nil, errors.New("no data")
}

// timeArg is an argument that is a time: seconds since 1970, or an RFC 3339 text.
type timeArg struct {
	t     time.Time
	given bool
}

// Unpack implements starlark.Unpacker.
func (t *timeArg) Unpack(v starlark.Value) error {
	t.given = true
	switch v := v.(type) {
	case starlark.Int:
		seconds, ok := v.Int64()
		if !ok {
			return fmt.Errorf("%s seconds are too many", brief(v))
		}
		t.t = time.Unix(seconds, 0).UTC()
		return nil
	case starlark.String:
		parsed, err := time.Parse(time.RFC3339Nano, string(v))
		if err != nil {
			example := "2024-01-31T12:00:00Z"
			if meant := image.MeantTime(string(v)); meant != "" {
				example = meant
			}
			return withHint(fmt.Errorf("%s is no RFC 3339 time", brief(v)), fmt.Sprintf("write it as %q, or as seconds since 1970", example))
		}
		t.t = parsed.UTC()
		return nil
	}
	return wanted("seconds since 1970 or an RFC 3339 string", v, "")
}

// ptr is the time, or nil when it was not given.
func (t timeArg) ptr() *time.Time {
	if !t.given {
		return nil
	}
	return &t.t
}

// modeArg is an argument that is permission bits.
type modeArg struct {
	bits  uint32
	given bool
}

// Unpack implements starlark.Unpacker. Type bits, as os.stat has them, are cut off.
func (m *modeArg) Unpack(v starlark.Value) error {
	i, ok := v.(starlark.Int)
	if !ok {
		return wanted("an int", v, octal(v))
	}
	n, ok := i.Uint64()
	if !ok || n > 0o177777 {
		return fmt.Errorf("%s is no file mode; write it in octal, as in 0o644", i)
	}
	if digits := i.String(); n > 0o777 && n <= 777 && !strings.ContainsAny(digits, "89") {
		return fmt.Errorf("%s is 0o%o; write 0o%s", digits, n, digits)
	}
	m.bits, m.given = uint32(n)&0o7777, true
	return nil
}

// octal shows how a mode that was given as text is written.
func octal(v starlark.Value) string {
	s, _ := starlark.AsString(v)
	s = strings.TrimLeft(strings.TrimPrefix(s, "0o"), "0")
	if n, err := strconv.ParseUint(s, 8, 12); err != nil || n == 0 {
		return ""
	}
	return "0o" + s
}

func (m modeArg) ptr() *uint32 {
	if !m.given {
		return nil
	}
	return &m.bits
}

type customFileArgs struct {
	Data     dataArg     `arg:"data"`
	Type     fileTypeArg `arg:"type"`
	Mode     modeArg     `arg:"mode"`
	Size     *int64      `arg:"size"`
	LinkPath *string     `arg:"link_path"`
	UID      *int        `arg:"uid"`
	GID      *int        `arg:"gid"`
	Uname    string      `arg:"uname"`
	Gname    string      `arg:"gname"`
	MTime    timeArg     `arg:"mtime"`
	ATime    timeArg     `arg:"atime"`
	CTime    timeArg     `arg:"ctime"`
	Xattrs   xattrsArg   `arg:"xattrs"`
}

// fileTypeArg is the type of a custom file.
type fileTypeArg struct{ t layer.Type }

// Unpack implements starlark.Unpacker.
func (f *fileTypeArg) Unpack(v starlark.Value) (err error) {
	s, ok := starlark.AsString(v)
	if !ok {
		return wanted(`"file", "directory", "symlink" or "hardlink"`, v, "")
	}
	f.t, err = layer.ParseType(s)
	return err
}

// xattrsArg is a dict of extended attributes.
type xattrsArg map[string]string

// Unpack implements starlark.Unpacker.
func (x *xattrsArg) Unpack(v starlark.Value) error {
	dict, ok := v.(starlark.IterableMapping)
	if !ok {
		return wanted("a dict of strings or bytes", v, "")
	}
	*x = xattrsArg{}
	for _, item := range dict.Items() {
		name, ok := starlark.AsString(item[0])
		if !ok {
			return wanted("a dict with strings as keys", item[0], "")
		}
		switch value := item[1].(type) {
		case starlark.String:
			(*x)[name] = string(value)
		case starlark.Bytes:
			(*x)[name] = string(value)
		default:
			return wanted("a string or bytes for "+name, value, "")
		}
	}
	return nil
}

func customFile(_ *starlark.Thread, a *customFileArgs) (starlark.Value, error) {
	custom := &layer.Custom{
		Type: a.Type.t, Mode: a.Mode.ptr(), UID: a.UID, GID: a.GID, Uname: a.Uname, Gname: a.Gname,
		ModTime: a.MTime.ptr(), AccessTime: a.ATime.ptr(), ChangeTime: a.CTime.ptr(), Xattrs: a.Xattrs,
	}
	if a.LinkPath != nil {
		custom.LinkPath = *a.LinkPath
	}
	isLink := a.Type.t == layer.TypeSymlink || a.Type.t == layer.TypeHardlink
	switch {
	case isLink && a.LinkPath == nil:
		return nil, fmt.Errorf("custom_file: a %s needs link_path", a.Type.t)
	case !isLink && a.LinkPath != nil:
		return nil, fmt.Errorf("custom_file: link_path is for links, and this is a %s", a.Type.t)
	case a.Type.t == layer.TypeFile && a.Data.v == nil:
		return nil, withHint(errors.New("custom_file: a file needs data"), `an empty file is custom_file("")`)
	case a.Type.t != layer.TypeFile && a.Data.v != nil:
		return nil, fmt.Errorf("custom_file: a %s has no data", a.Type.t)
	case a.Size != nil && *a.Size < 0:
		return nil, fmt.Errorf("custom_file: size %d is negative", *a.Size)
	}
	if err := checkSize(a.Data, a.Size); err != nil {
		return nil, err
	}
	return &fileValue{kind: "custom_file", file: build.File{Custom: custom}, data: a.Data, size: a.Size}, nil
}

// checkSize compares a size with that of data in memory, so that a wrong one is found where it was written.
func checkSize(data dataArg, size *int64) error {
	var n int64
	switch v := data.v.(type) {
	case starlark.String:
		n = int64(len(v))
	case starlark.Bytes:
		n = int64(len(v))
	default:
		return nil
	}
	if size != nil && *size != n {
		return &argumentError{error: fmt.Errorf("custom_file: size is %d, but data has %d bytes", *size, n), name: "size", index: -1}
	}
	return nil
}

type fileArgs struct {
	Path  string  `arg:"path"`
	Mode  modeArg `arg:"mode"`
	UID   *int    `arg:"uid"`
	GID   *int    `arg:"gid"`
	MTime timeArg `arg:"mtime"`
}

func localFile(_ *starlark.Thread, a *fileArgs) (starlark.Value, error) {
	if a.Path == "" {
		return nil, errors.New("file: the path is empty")
	}
	f := build.File{Local: a.Path, Mode: a.Mode.ptr(), UID: a.UID, GID: a.GID, ModTime: a.MTime.ptr()}
	return &fileValue{kind: "file", file: f}, nil
}

func whiteout(*starlark.Thread, *noArgs) (starlark.Value, error) {
	return &fileValue{kind: "whiteout", file: build.File{Custom: layer.Whiteout()}}, nil
}

func opaque(*starlark.Thread, *noArgs) (starlark.Value, error) {
	return &fileValue{kind: "opaque", file: build.File{Custom: layer.Opaque()}}, nil
}
