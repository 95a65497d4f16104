package layer

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// Layer is a finished blob of a tar archive.
type Layer struct {
	// Descriptor names the blob as it is stored. Its media type is one of the OCI layer types (image-spec, media-types.md); package
	// image maps it to Docker's where an image is of that family.
	Descriptor content.Descriptor
	// DiffID is the digest of the uncompressed tar archive (image-spec, config.md, "Layer DiffID").
	DiffID digest.Digest
}

// The values of Options.Compression. The empty string is Gzip.
const (
	Gzip = "gzip"
	Zstd = "zstd"
	None = "none"
)

// SymlinkMode says what becomes of symbolic links in local directories.
type SymlinkMode string

// The values of SymlinkMode. The empty string is SymlinksAuto.
const (
	// SymlinksAuto keeps a link when, in the layer, it points to the same file as here, and when it dangles here. Any other link is
	// replaced by what it points to; one that leaves the root of its Tree is an error.
	SymlinksAuto SymlinkMode = "auto"
	// SymlinksKeep keeps every link as it is.
	SymlinksKeep SymlinkMode = "keep"
	// SymlinksFollow replaces every link by what it points to; dangling links are errors.
	SymlinksFollow SymlinkMode = "follow"
)

// Options changes what Scan and Build do. nil and the zero value are the defaults that the fields name.
type Options struct {
	// Ignores are patterns with gitignore's rules that hold for every source that is a directory, anchored at that directory. They win
	// over those of ignore files.
	Ignores []string
	// IgnoreFiles are base names of files with such patterns, read in every directory of a source and ruling from there down; later names
	// win over earlier ones, deeper files over shallower ones. A file named .dockerignore has Docker's rules instead and is
	// read at the source's root only. What either kind leaves out is left out.
	IgnoreFiles []string
	// Symlinks is SymlinksAuto unless set.
	Symlinks SymlinkMode
	// KeepHardLinks writes local files that are links to one inode as hard links; otherwise each is a copy.
	KeepHardLinks bool
	// UID and GID own all that does not say otherwise.
	UID, GID int
	// Mode, permission bits up to 07777, is for local files; directories get it plus x wherever it has r. nil: files get 0644, or 0755 with any x bit,
	// directories 0755.
	Mode *uint32
	// PreserveMode keeps the bits 07777 of local files and directories. Not together with Mode.
	PreserveMode bool
	// ModTime is the time of all that does not say otherwise, with its fraction cut; the zero value is 1970-01-01.
	ModTime time.Time
	// Parents says whether the target directories and their parents get entries. nil: all but those that a base normally has with
	// another mode or as links (see the package documentation). The root itself never gets one.
	Parents *bool
	// MaxDepth is how many levels below a source directory are packed: 1 is its direct children. nil: all.
	MaxDepth *int
	// RawNames allows local names that are not UTF-8.
	RawNames bool
	// Compression is Gzip unless set.
	Compression string
	// MaxFiles bounds the entries of the layer, MaxBytes the bytes of their contents; more is ErrTooManyFiles or ErrTooLarge, and is found before anything is
	// read. 0: there is no limit.
	MaxFiles, MaxBytes int64
	// Level is the compression level: 1 to 9 for gzip, 1 to 22 for zstd, which knows four speeds and maps the numbers to them as
	// klauspost/compress does; for None it must be nil. nil: 1, which is fast.
	Level *int
	// Workers are the processors and the memory that the build shares with others. nil: those of one build alone, on all processors.
	Workers *Workers
	// Cache is where Prepare looks for how the layer was built before, and keeps how it is built now. nil: nowhere.
	Cache Cache
	// OnBase warns about targets below /bin, /sbin and /lib*, which are links in most bases.
	OnBase bool
	// Warn is told of what is odd and no error, each message once and in a fixed order, during Scan. nil: nobody is.
	Warn func(msg string)
}

// CheckOptions returns all that is wrong with opts, naming the values that are allowed; nil is right. Scan and Build call it themselves.
func CheckOptions(opts *Options) error {
	if opts == nil {
		return nil
	}
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !slices.Contains([]SymlinkMode{"", SymlinksAuto, SymlinksKeep, SymlinksFollow}, opts.Symlinks) {
		bad(`symlinks %q: want "auto", "keep" or "follow"`, opts.Symlinks)
	}
	if err := checkCompression(opts.Compression, opts.Level); err != nil {
		errs = append(errs, err)
	}
	if opts.UID < 0 || opts.GID < 0 {
		bad("uid %d, gid %d: want no negative numbers", opts.UID, opts.GID)
	}
	if opts.Mode != nil && *opts.Mode > 0o7777 {
		bad("mode %#o: want permission bits up to 0o7777", *opts.Mode)
	}
	if opts.Mode != nil && opts.PreserveMode {
		bad("mode and preserve_mode: want one of them")
	}
	if opts.MaxDepth != nil && *opts.MaxDepth < 1 {
		bad("max_depth %d: want 1, which is the direct children, or more", *opts.MaxDepth)
	}
	for _, name := range opts.IgnoreFiles {
		if !isBaseName(name) {
			bad("ignore file %q: want a file name without a directory", name)
		}
	}
	return errors.Join(errs...)
}

// prepared returns a copy of opts with defaults in place, checked.
func prepared(opts *Options) (*Options, error) {
	if err := CheckOptions(opts); err != nil {
		return nil, err
	}
	var o Options
	if opts != nil {
		o = *opts
	}
	o.Ignores, o.IgnoreFiles = slices.Clone(o.Ignores), slices.Clone(o.IgnoreFiles)
	if o.Symlinks == "" {
		o.Symlinks = SymlinksAuto
	}
	if o.Compression == "" {
		o.Compression = Gzip
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	if o.Workers == nil {
		o.Workers = NewWorkers(0)
	}
	o.ModTime = epoch(o.ModTime)
	return &o, nil
}

// epoch cuts the fraction of t; the zero time is 1970-01-01.
func epoch(t time.Time) time.Time {
	if t.IsZero() {
		return time.Unix(0, 0).UTC()
	}
	return time.Unix(t.Unix(), 0).UTC()
}
