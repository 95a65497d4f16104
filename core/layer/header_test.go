package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestHeaderReadBack reads each header by archive/tar and says which records it needed.
func TestHeaderReadBack(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	nested := func(n int) string { return strings.Repeat("0123456789/", n/11) + long(n-n/11*11) }
	at := func(sec, nsec int64) time.Time { return time.Unix(sec, nsec).UTC() }
	for _, c := range []struct {
		name    string
		entry   Entry
		records string // the keys of the PAX records
	}{
		{"plain", Entry{Path: "a/b", Mode: 0o644, UID: 1, GID: 2, Size: 3}, ""},
		{"directory", Entry{Path: "a", Type: TypeDirectory, Mode: 0o1777}, ""},
		{"100 bytes", Entry{Path: long(100)}, ""},
		{"101 bytes in one part", Entry{Path: long(101)}, "path"},
		{"directory of 99 bytes", Entry{Path: long(99), Type: TypeDirectory}, ""},
		{"directory of 100 bytes", Entry{Path: long(100), Type: TypeDirectory}, "path"},
		{"155 and 100 bytes", Entry{Path: long(155) + "/" + long(100)}, ""},
		{"156 and 100 bytes", Entry{Path: long(156) + "/" + long(100)}, "path"},
		{"155 and 101 bytes", Entry{Path: long(155) + "/" + long(101)}, "path"},
		{"directory of 155 and 99 bytes", Entry{Path: long(155) + "/" + long(99), Type: TypeDirectory}, ""},
		{"256 bytes", Entry{Path: nested(256)}, "path"},
		{"257 bytes", Entry{Path: nested(257)}, "path"},
		{"4096 bytes", Entry{Path: nested(4096)}, "path"},
		{"letters beyond ASCII", Entry{Path: "é/ü"}, "path"},
		{"names with escapes", Entry{Path: "a\x1b[31m\n"}, ""},
		{"link of 100 bytes", Entry{Path: "l", Type: TypeSymlink, Link: long(100)}, ""},
		{"link of 101 bytes", Entry{Path: "l", Type: TypeSymlink, Link: long(101)}, "linkpath"},
		{"link beyond ASCII", Entry{Path: "l", Type: TypeHardlink, Link: "ü"}, "linkpath"},
		{"8 GiB less one", Entry{Path: "a", Size: 8<<30 - 1}, ""},
		{"8 GiB", Entry{Path: "a", Size: 8 << 30}, "size"},
		{"a sparse file of 9 GiB", Entry{Path: "a", Size: 9 << 30}, "size"},
		{"ids that fit", Entry{Path: "a", UID: 1<<21 - 1, GID: 1<<21 - 1}, ""},
		{"ids that do not fit", Entry{Path: "a", UID: 1 << 21, GID: 1<<31 - 2}, "gid uid"},
		{"a time before 1970", Entry{Path: "a", ModTime: at(-1, 0)}, "mtime"},
		{"a time before 1970 with a fraction", Entry{Path: "a", ModTime: at(-2, 750_000_000)}, "mtime"},
		{"a time with a fraction", Entry{Path: "a", ModTime: at(1, 500_000_000)}, "mtime"},
		{"a time with nanoseconds", Entry{Path: "a", ModTime: at(1, 1)}, "mtime"},
		{"a time after 2242", Entry{Path: "a", ModTime: at(1<<33, 0)}, "mtime"},
		{"all times", Entry{Path: "a", ModTime: at(1, 0), AccessTime: at(2, 0), ChangeTime: at(3, 5)}, "atime ctime"},
		{"owners", Entry{Path: "a", Uname: "root", Gname: long(32)}, ""},
		{"long owners", Entry{Path: "a", Uname: "jürgen", Gname: long(33)}, "gname uname"},
		{"xattrs", Entry{Path: "a", Xattrs: map[string]string{"user.b": "\x00\n=", "security.capability": "\x01"}}, "SCHILY.xattr.security.capability SCHILY.xattr.user.b"},
		{"bytes that are no UTF-8", Entry{Path: "a\xff"}, ""},
		{"many bytes that are no UTF-8", Entry{Path: long(101) + "\xff", Type: TypeSymlink, Link: "\xfe"}, "hdrcharset path"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := c.entry
			if e.ModTime.IsZero() {
				e.ModTime = epoch(e.ModTime)
			}
			head, err := appendHeader(nil, &e)
			must(t, err)
			if len(head)%blockSize != 0 {
				t.Errorf("%d bytes", len(head))
			}
			h, err := tar.NewReader(bytes.NewReader(head)).Next()
			must(t, err)
			if got := strings.Join(slices.Sorted(maps.Keys(h.PAXRecords)), " "); got != c.records {
				t.Errorf("records %q, want %q", got, c.records)
			}
			name := e.Path
			if e.Type == TypeDirectory {
				name += "/"
			}
			got := Entry{Path: h.Name, Type: e.Type, Mode: uint32(h.Mode), UID: h.Uid, GID: h.Gid, Uname: h.Uname, Gname: h.Gname,
				ModTime: h.ModTime.UTC(), AccessTime: utc(h.AccessTime), ChangeTime: utc(h.ChangeTime), Link: h.Linkname, Size: h.Size, Xattrs: xattrs(h)}
			e.Path = name
			if diff := cmp.Diff(e, got, cmp.AllowUnexported(Entry{})); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
			if h.Typeflag != typeFlags[e.Type] {
				t.Errorf("type %c", h.Typeflag)
			}
		})
	}
}

func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC()
}

func xattrs(h *tar.Header) map[string]string {
	var attrs map[string]string
	for key, value := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, "SCHILY.xattr."); ok {
			if attrs == nil {
				attrs = map[string]string{}
			}
			attrs[name] = value
		}
	}
	return attrs
}

// TestHeaderBytes holds the bytes themselves: records are sorted, and nothing of the machine is in them.
func TestHeaderBytes(t *testing.T) {
	e := Entry{Path: "é", Mode: 0o644, UID: 1 << 21, ModTime: time.Unix(0, 0), Xattrs: map[string]string{"user.a": "1"}}
	head, err := appendHeader(nil, &e)
	must(t, err)
	const records = "25 SCHILY.xattr.user.a=1\n11 path=é\n15 uid=2097152\n"
	if got := string(head[blockSize:][:len(records)]); got != records {
		t.Errorf("records %q, want %q", got, records)
	}
	const block = "\x00\x00\x000000644\x000000000\x000000000\x0000000000000\x0000000000000\x00007175\x00 0"
	if got := string(head[2*blockSize+97:][:len(block)]); got != block {
		t.Errorf("block %q, want %q", got, block)
	}
	if got := string(head[2*blockSize+257:][:8]); got != "ustar\x0000" {
		t.Errorf("magic %q", got)
	}
}

func TestHeaderBadXattr(t *testing.T) {
	for _, name := range []string{"a=b", "", "a\x00"} {
		_, err := appendHeader(nil, &Entry{Path: "x", Source: "s", Xattrs: map[string]string{name: ""}})
		if own := (*Error)(nil); !errors.As(err, &own) || own.Path != "/x" {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestRecordLen has lengths around those at which the length itself gets one more digit.
func TestRecordLen(t *testing.T) {
	for n := range 1200 {
		value := strings.Repeat("v", n)
		got := recordLen("k", value)
		if want := digits(got) + len(" k=\n") + n; got != want {
			t.Fatalf("value of %d bytes: %d, want %d", n, got, want)
		}
	}
}

func BenchmarkHeader(b *testing.B) {
	e := Entry{Path: "app/node_modules/package/lib/index.js", Mode: 0o644, Size: 1234, ModTime: time.Unix(0, 0)}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = appendHeader(buf[:0], &e)
	}
}
