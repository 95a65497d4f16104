package layer

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/imgscript/imgscript/core/content"
)

// Type is the kind of an Entry or of a Custom.
type Type uint8

// The types. The zero value is a regular file.
const (
	TypeFile Type = iota
	TypeDirectory
	TypeSymlink
	TypeHardlink
	// TypeWhiteout is of a Custom alone: it removes its target from the layers below (image-spec, layer.md, "Whiteouts").
	TypeWhiteout
	// TypeOpaque is of a Custom alone: it removes from the layers below all that is in its target, a directory ("Opaque Whiteout").
	TypeOpaque
	// TypeChar, TypeBlock and TypeFIFO are of an Entry alone that a caller made: devices and named pipes, which are never local files here.
	TypeChar
	TypeBlock
	TypeFIFO
)

var typeNames = [...]string{"file", "directory", "symlink", "hardlink", "whiteout", "opaque", "char", "block", "fifo"}

// String returns the name by which a script knows the type.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("Type(%d)", uint8(t))
}

// ParseType reads "file", "directory", "symlink" or "hardlink", and the seed's "File", "Directory", "Symlink", "SymbolicLink".
func ParseType(s string) (Type, error) {
	switch s {
	case "file", "File":
		return TypeFile, nil
	case "directory", "Directory":
		return TypeDirectory, nil
	case "symlink", "Symlink", "SymbolicLink":
		return TypeSymlink, nil
	case "hardlink":
		return TypeHardlink, nil
	}
	return 0, fmt.Errorf(`type %q: want "file", "directory", "symlink" or "hardlink"`, s)
}

// File is one source of a layer: a local file or directory (Tree and Local), or something made in memory (Custom).
type File struct {
	// Target is where it goes: absolute or relative to "/". A directory's contents go below it; a file goes to the target itself,
	// or into it when it ends in "/". A ".." that leaves the root is an error.
	Target string
	// Tree and Local name a local file or directory; Local is slash-separated and relative to the root of Tree, "." is that root.
	Tree  *Tree
	Local string
	// Custom is used in place of Tree and Local when it is not nil. Its target must not end in "/".
	Custom *Custom
	// Name is how errors and warnings name the source, such as "./dist". "" stands for Local,
	// or for the call that made Custom, such as "custom_file".
	Name string
	// Mode (up to 07777, written exactly), UID, GID and ModTime (written as given) override what the call says for one local file. For a directory they
	// are an error.
	Mode     *uint32
	UID, GID *int
	ModTime  *time.Time
}

// Custom is a file made in memory or from a stream.
type Custom struct {
	Type Type
	// Data opens the contents of a file, Size bytes long: fewer or more are an error. Build opens it once. nil is an empty file.
	Data content.Opener
	Size int64
	// Mode is written exactly; nil is 0644, and 0755 for a directory. Links have none of their own.
	Mode *uint32
	// LinkPath is the text of a symbolic link, or the path in the image of a hard link's file, which may be in a layer below.
	LinkPath string
	// UID and GID: nil stands for those of the call. Uname and Gname are written as they are; "" writes none.
	UID, GID     *int
	Uname, Gname string
	// Times are written as given, with their fractions. nil ModTime is that of the call; the others are written only when given.
	ModTime, AccessTime, ChangeTime *time.Time
	// Xattrs are extended attributes by name, such as "security.capability".
	Xattrs map[string]string
}

// Whiteout returns what removes its target from the layers below.
func Whiteout() *Custom { return &Custom{Type: TypeWhiteout} }

// Opaque returns what empties its target, a directory, of all that the layers below have in it.
func Opaque() *Custom { return &Custom{Type: TypeOpaque} }

// Call is how a script makes such a file: "custom_file", "whiteout()" or "opaque()".
func (c *Custom) Call() string {
	if c.Type == TypeWhiteout || c.Type == TypeOpaque {
		return c.Type.String() + "()"
	}
	return "custom_file"
}

// Entry is one entry of a layer. Scan makes them; a caller may make its own for Build.
type Entry struct {
	Path  string // relative to "/": no leading or trailing slash, no "." or ".."
	Type  Type   // all but TypeWhiteout and TypeOpaque
	Mode  uint32 // permission bits, 07777
	UID   int
	GID   int
	Uname string // "" writes none
	Gname string
	// ModTime is written with its fraction. AccessTime and ChangeTime are written only when they are not zero.
	ModTime, AccessTime, ChangeTime time.Time
	Link                            string // text of a symbolic link; Path of a hard link's file
	Size                            int64  // of a file's contents in bytes
	Major, Minor                    int64  // of a device
	Xattrs                          map[string]string
	Data                            content.Opener // contents of a file that is not local; nil is empty, or local
	Source                          string         // how the call names the source

	local *local // of what Scan found in a Tree
	data  []byte // contents that were read in place of Data
}

// Open returns the contents of a file. The reader fails, as Build does, when they are not Size bytes or change meanwhile. The caller closes it,
// which must happen before the Tree is closed.
func (e *Entry) Open(ctx context.Context) (io.ReadCloser, error) {
	if e.local == nil {
		return e.openData(ctx)
	}
	v := e.local.tree().view()
	r, err := e.local.open(ctx, v)
	if err != nil {
		v.close()
		return nil, e.wrap(err)
	}
	r.onClose = v.close
	return r, nil
}

func (e *Entry) wrap(err error) error {
	name := "/" + e.Path
	if e.local != nil {
		name = written(e.Source, e.local.placed().rel)
	}
	return &Error{Source: e.Source, Path: name, Err: err}
}
