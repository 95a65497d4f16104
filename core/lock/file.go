package lock

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// Name is how the file is called, at the root of a project.
const Name = "imgscript.lock"

// All is the platform of an entry for an image that is used whole: saved as what its reference names, with all platforms that it has.
const All = "all"

// Mode says what a run does about bases that the lock does not have.
type Mode int

const (
	// Add resolves them, and reports what they are so that they can be added.
	Add Mode = iota
	// Locked takes them for errors, as it does other reads of what may change.
	Locked
)

// Entry is what one reference stands for on one platform. Entries are equal (==) when they say the same.
type Entry struct {
	Reference string        // in full, with its tag: "docker.io/library/node:lts-slim"
	Platform  string        // "linux/amd64", or [All]
	Index     digest.Digest // what the tag named, where that is an index; else ""
	Manifest  digest.Digest // of the image for the platform; "" for an index with the platform All
	MediaType string        // of what the tag named
}

// Name is what the entry is called in the file: "REFERENCE PLATFORM". A file has one entry of a name.
func (e Entry) Name() string { return e.Reference + " " + e.Platform }

// Root is what the tag named: the index, or a manifest.
func (e Entry) Root() digest.Digest { return cmp.Or(e.Index, e.Manifest) }

// Digest is what a run uses: the manifest, or an index that is used whole.
func (e Entry) Digest() digest.Digest { return cmp.Or(e.Manifest, e.Index) }

var (
	referencePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*(?::[0-9]+)?/[a-z0-9][a-z0-9._/-]*:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$|^\[[0-9a-f:.]+\](?::[0-9]+)?/[a-z0-9][a-z0-9._/-]*:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
	platformPattern  = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]*(?:\([a-z0-9_.-]+\))?/[a-z0-9][a-z0-9_.-]*(?:/[a-z0-9][a-z0-9_.-]*)?$`)
)

// check says what is malformed about an entry.
func (e Entry) check() error {
	switch {
	case !referencePattern.MatchString(e.Reference):
		return fmt.Errorf("%q is no reference in full, such as docker.io/library/node:lts", e.Reference)
	case e.Platform != All && !platformPattern.MatchString(e.Platform):
		return fmt.Errorf("%q is neither a platform, such as linux/amd64, nor %q", e.Platform, All)
	case e.Index == "" && e.Manifest == "":
		return errors.New(`it has neither an "index" nor a "manifest"`)
	case e.Index != "" && e.Platform == All && e.Manifest != "":
		return errors.New(`it has a "manifest" although it is for all platforms of an index`)
	case e.Index != "" && e.Platform != All && e.Manifest == "":
		return errors.New(`it has no "manifest"`)
	case e.Index != "" && !content.IsIndex(e.MediaType):
		return fmt.Errorf("its media_type %q is none of an index", e.MediaType)
	case e.Index == "" && !content.IsManifest(e.MediaType):
		return fmt.Errorf("its media_type %q is none of a manifest", e.MediaType)
	}
	for _, d := range []digest.Digest{e.Index, e.Manifest} {
		if _, err := content.ParseDigest(d.String()); d != "" && err != nil {
			return err
		}
	}
	return nil
}

// contradicts reports whether two entries say that a tag stands for two things.
func (e Entry) contradicts(other Entry) bool {
	return e.Reference == other.Reference && (e.Root() != other.Root() || e.MediaType != other.MediaType)
}

func order(a, b Entry) int {
	return cmp.Or(cmp.Compare(a.Reference, b.Reference), cmp.Compare(a.Platform, b.Platform))
}

// File is what a lock file says. It does not change: what would change it returns another one. The zero value, and nil, have no entries.
type File struct{ entries []Entry }

// Entries are all entries, sorted by reference and platform. The slice is the caller's.
func (f *File) Entries() []Entry {
	if f == nil {
		return nil
	}
	return slices.Clone(f.entries)
}

// Find returns the entry of a reference in full for a platform.
func (f *File) Find(reference, platform string) (Entry, bool) {
	if f == nil {
		return Entry{}, false
	}
	i, ok := slices.BinarySearchFunc(f.entries, Entry{Reference: reference, Platform: platform}, order)
	if !ok {
		return Entry{}, false
	}
	return f.entries[i], true
}

// Of returns the entries of a reference in full, for all platforms. They have the same Root.
func (f *File) Of(reference string) []Entry {
	if f == nil {
		return nil
	}
	from, _ := slices.BinarySearchFunc(f.entries, Entry{Reference: reference}, order)
	to := from
	for to < len(f.entries) && f.entries[to].Reference == reference {
		to++
	}
	return slices.Clone(f.entries[from:to])
}

// Set returns a file that has the given entries too, in place of those of the same names. An entry that is malformed, or contradicts another one of its
// reference, is content.ErrInvalid.
func (f *File) Set(entries ...Entry) (*File, error) {
	all := map[string]Entry{}
	for _, e := range append(f.Entries(), entries...) {
		all[e.Name()] = e
	}
	next := &File{}
	for _, e := range all {
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("lock %q: %w: %w", e.Name(), content.ErrInvalid, err)
		}
		next.entries = append(next.entries, e)
	}
	slices.SortFunc(next.entries, order)
	for i := 1; i < len(next.entries); i++ {
		if e := next.entries[i]; e.contradicts(next.entries[i-1]) {
			return nil, fmt.Errorf("lock %q: %w: another entry of %s has %s", e.Name(), content.ErrInvalid, e.Reference, next.entries[i-1].Root())
		}
	}
	return next, nil
}

// Add returns a file that has the given entries too, but for those that it has by name already and those of a reference that stands for something else in
// it: what is there stays. left are those that were not added and are not there as they are. A malformed entry is content.ErrInvalid.
func (f *File) Add(entries ...Entry) (next *File, left []Entry, err error) {
	var added []Entry
	for _, e := range entries {
		there, found := f.Find(e.Reference, e.Platform)
		switch {
		case found && there != e, slices.ContainsFunc(f.Of(e.Reference), e.contradicts):
			left = append(left, e)
		case !found:
			added = append(added, e)
		}
	}
	next, err = f.Set(added...)
	return next, left, err
}

// Without returns a file without the entries that drop tells.
func (f *File) Without(drop func(Entry) bool) *File {
	return &File{slices.DeleteFunc(f.Entries(), drop)}
}

// version is that of the file's form.
const version = 1

// Bytes is the file as it is written: see the package's documentation. Parse reads it as the same.
func (f *File) Bytes() []byte {
	var b bytes.Buffer
	b.WriteString("{\n")
	for _, e := range f.Entries() {
		fmt.Fprintf(&b, "  %q: {", e.Name())
		for _, field := range []struct{ name, value string }{{"index", e.Index.String()}, {"manifest", e.Manifest.String()}} {
			if field.value != "" {
				fmt.Fprintf(&b, "%q: %q, ", field.name, field.value)
			}
		}
		fmt.Fprintf(&b, "%q: %q},\n", "media_type", e.MediaType)
	}
	fmt.Fprintf(&b, "  %q: %d\n}\n", "version", version)
	return b.Bytes()
}
