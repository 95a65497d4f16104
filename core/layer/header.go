package layer

import (
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// blockSize is what all parts of a tar archive are a multiple of.
const blockSize = 512

// The limits of a USTAR header (POSIX.1-1988, "ustar Interchange Format"): octal numbers with a NUL behind them.
const (
	maxOctal7  = 1<<21 - 1 // ids
	maxOctal11 = 1<<33 - 1 // sizes and times
	maxName    = 100
	maxPrefix  = 155
	maxOwner   = 32
)

// appendHeader appends the tar header of e to buf: one USTAR block, and before it a PAX header (POSIX.1-2001) when USTAR cannot say all
// of it. The bytes are a function of e alone and never change between releases, since diff IDs come from them.
func appendHeader(buf []byte, e *Entry) ([]byte, error) {
	name := e.Path
	if e.Type == TypeDirectory {
		name += "/"
	}
	prefix, base, ok := splitName(name)
	records, err := paxRecords(e, name, ok)
	if err != nil {
		return nil, e.wrap(err)
	}
	if !ok {
		prefix, base = "", ascii(name, maxName)
	}
	if len(records) > 0 {
		buf = appendPAX(buf, ascii(path.Base(e.Path), maxName-len(paxDir)), records)
	}
	b := newBlock(buf)
	b.text(0, maxName, base)
	b.octal(100, 8, int64(e.Mode&0o7777))
	b.octal(108, 8, fit(int64(e.UID), maxOctal7))
	b.octal(116, 8, fit(int64(e.GID), maxOctal7))
	b.octal(124, 12, fit(e.size(), maxOctal11))
	b.octal(136, 12, fit(e.ModTime.Unix(), maxOctal11))
	b.block[156] = typeFlags[e.Type]
	b.text(157, maxName, ascii(e.Link, maxName))
	b.text(265, maxOwner, ascii(e.Uname, maxOwner))
	b.text(297, maxOwner, ascii(e.Gname, maxOwner))
	b.octal(329, 8, e.Major)
	b.octal(337, 8, e.Minor)
	b.text(345, maxPrefix, prefix)
	return b.seal(), nil
}

// typeFlags are the types of entries in an archive.
var typeFlags = [...]byte{TypeFile: '0', TypeDirectory: '5', TypeSymlink: '2', TypeHardlink: '1', TypeChar: '3', TypeBlock: '4', TypeFIFO: '6'}

// size is the number of bytes that follow the header.
func (e *Entry) size() int64 {
	if e.Type != TypeFile {
		return 0
	}
	return e.Size
}

// paxRecords returns what a USTAR header cannot say. named tells that it can say the name.
func paxRecords(e *Entry, name string, named bool) (map[string]string, error) {
	r := map[string]string{}
	if !named {
		r["path"] = name
	}
	if len(e.Link) > maxName || !isASCII(e.Link) && utf8.ValidString(e.Link) {
		r["linkpath"] = e.Link
	}
	if !utf8.ValidString(r["path"]) || !utf8.ValidString(r["linkpath"]) {
		r["hdrcharset"] = "BINARY" // without it a record is UTF-8
	}
	number(r, "uid", int64(e.UID), maxOctal7)
	number(r, "gid", int64(e.GID), maxOctal7)
	number(r, "size", e.size(), maxOctal11)
	if len(e.Uname) > maxOwner || !isASCII(e.Uname) {
		r["uname"] = e.Uname
	}
	if len(e.Gname) > maxOwner || !isASCII(e.Gname) {
		r["gname"] = e.Gname
	}
	if t := e.ModTime; t.Nanosecond() != 0 || t.Unix() < 0 || t.Unix() > maxOctal11 {
		r["mtime"] = paxTime(t)
	}
	if !e.AccessTime.IsZero() {
		r["atime"] = paxTime(e.AccessTime)
	}
	if !e.ChangeTime.IsZero() {
		r["ctime"] = paxTime(e.ChangeTime)
	}
	for name, value := range e.Xattrs {
		r["SCHILY.xattr."+name] = value
	}
	return r, checkXattrs(e.Xattrs)
}

func number(records map[string]string, key string, n, most int64) {
	if n > most {
		records[key] = strconv.FormatInt(n, 10)
	}
}

// fit returns n when it fits a field and zero when a PAX record says it.
func fit(n, most int64) int64 {
	if n < 0 || n > most {
		return 0
	}
	return n
}

// paxTime writes seconds since 1970 with the fraction that t has.
func paxTime(t time.Time) string {
	sec, nano := t.Unix(), t.Nanosecond()
	sign := ""
	if sec < 0 {
		// The fraction counts away from zero: -1.25 s is one second and a quarter before 1970, which time says as -2 s and three quarters.
		sign, sec = "-", -sec
		if nano > 0 {
			sec, nano = sec-1, 1e9-nano
		}
	}
	s := sign + strconv.FormatInt(sec, 10)
	if nano == 0 {
		return s
	}
	return strings.TrimRight(fmt.Sprintf("%s.%09d", s, nano), "0")
}

// splitName splits a name into the two parts that USTAR has for it; ok is false when it does not fit or is not ASCII. Bytes that are no
// UTF-8 stay as they are in a name that fits, since no record can say them better.
func splitName(name string) (prefix, base string, ok bool) {
	if !isASCII(name) && utf8.ValidString(name) {
		return "", "", false
	}
	if len(name) <= maxName {
		return "", name, true
	}
	end := min(len(name)-1, maxPrefix+1) // a slash at the very end belongs to the base
	i := strings.LastIndexByte(name[:end], '/')
	if i <= 0 || len(name)-i-1 > maxName {
		return "", "", false
	}
	return name[:i], name[i+1:], true
}

const paxDir = "PaxHeaders.0/"

// appendPAX appends an extended header with the records in the order of their keys.
func appendPAX(buf []byte, base string, records map[string]string) []byte {
	keys := make([]string, 0, len(records))
	size := 0
	for key, value := range records {
		keys = append(keys, key)
		size += recordLen(key, value)
	}
	slices.Sort(keys)
	b := newBlock(buf)
	b.text(0, maxName, paxDir+base)
	b.octal(100, 8, 0o644)
	b.octal(108, 8, 0)
	b.octal(116, 8, 0)
	b.octal(124, 12, int64(size))
	b.octal(136, 12, 0)
	b.block[156] = 'x'
	buf = b.seal()
	for _, key := range keys {
		buf = fmt.Appendf(buf, "%d %s=%s\n", recordLen(key, records[key]), key, records[key])
	}
	return append(buf, make([]byte, padding(int64(size)))...)
}

// recordLen is the length of a record, whose first part is that length itself.
func recordLen(key, value string) int {
	rest := len(key) + len(value) + 3 // " ", "=" and the newline
	n := rest + digits(rest)
	if d := digits(n); rest+d != n {
		return rest + d
	}
	return n
}

func digits(n int) int { return len(strconv.Itoa(n)) }

// padding is the number of bytes from n to the next block.
func padding(n int64) int64 { return -n & (blockSize - 1) }

// block is a header block at the end of a buffer.
type block struct{ buf, block []byte }

func newBlock(buf []byte) block {
	buf = append(buf, make([]byte, blockSize)...)
	b := block{buf, buf[len(buf)-blockSize:]}
	copy(b.block[257:], "ustar\x0000")
	b.octal(329, 8, 0)
	b.octal(337, 8, 0)
	return b
}

func (b block) text(at, size int, s string) { copy(b.block[at:at+size], s) }

// octal writes n in size bytes, of which the last stays NUL.
func (b block) octal(at, size int, n int64) {
	field := b.block[at : at+size-1]
	for i := len(field) - 1; i >= 0; i-- {
		field[i] = '0' + byte(n&7)
		n >>= 3
	}
}

// seal writes the checksum, which counts its own field as spaces, and returns the buffer.
func (b block) seal() []byte {
	copy(b.block[148:156], "        ")
	sum := int64(0)
	for _, c := range b.block {
		sum += int64(c)
	}
	b.octal(148, 7, sum)
	b.block[154] = 0
	return b.buf
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] > math.MaxInt8 || s[i] == 0 {
			return false
		}
	}
	return true
}

// ascii is what a field of the header shows of s for readers that do not know PAX.
func ascii(s string, most int) string {
	if len(s) <= most && (isASCII(s) || !utf8.ValidString(s)) {
		return s
	}
	b := make([]byte, 0, most)
	for i := 0; i < len(s) && len(b) < most; i++ {
		if s[i] <= math.MaxInt8 {
			b = append(b, s[i])
		}
	}
	return string(b)
}
