package rootfs

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layer"
)

// archive reads the entries of a layer, one after the other.
type archive struct {
	blob, plain io.ReadCloser
	tar         *tar.Reader
}

// openArchive opens a layer of src. The caller closes it.
func openArchive(ctx context.Context, src content.Fetcher, desc content.Descriptor) (*archive, error) {
	blob, err := src.Fetch(ctx, desc)
	if err != nil {
		return nil, err
	}
	plain, err := layer.Decompress(blob)
	if err != nil {
		blob.Close()
		return nil, archiveError(err)
	}
	return &archive{blob, plain, tar.NewReader(plain)}, nil
}

// next is the next entry. At the end it is io.EOF, and then the whole blob was read and verified.
func (a *archive) next(ctx context.Context) (*File, error) {
	for {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		h, err := a.tar.Next()
		switch {
		case err == io.EOF:
			return nil, a.rest()
		case err != nil:
			return nil, archiveError(err)
		case h.Typeflag == tar.TypeXGlobalHeader: // a comment, as git archive writes one
			continue
		}
		return fileOf(h)
	}
}

// rest reads what is behind the archive: it belongs to the blob, whose digest is known at its end. Without another error it is io.EOF.
func (a *archive) rest() error {
	if _, err := io.Copy(io.Discard, a.plain); err != nil {
		return archiveError(err)
	}
	if _, err := io.Copy(io.Discard, a.blob); err != nil {
		return err
	}
	return io.EOF
}

// skip goes on to the contents of an entry, the first being 0.
func (a *archive) skip(ctx context.Context, entry int) error {
	for range entry + 1 {
		if _, err := a.next(ctx); err != nil {
			return noEnd(err)
		}
	}
	return nil
}

// noEnd makes an error of the end of an archive that should have had more.
func noEnd(err error) error {
	if err == io.EOF {
		return fmt.Errorf("%w archive: %w", content.ErrInvalid, io.ErrUnexpectedEOF)
	}
	return err
}

func (a *archive) close() {
	a.plain.Close()
	a.blob.Close()
}

// contents reads those of the present entry. Closing them closes the archive.
func (a *archive) contents(ctx context.Context) io.ReadCloser {
	return &contents{a, func(p []byte) (int, error) {
		if err := context.Cause(ctx); err != nil {
			return 0, err
		}
		n, err := a.tar.Read(p)
		if err != nil && err != io.EOF {
			err = archiveError(err)
		}
		return n, err
	}}
}

type contents struct {
	archive *archive
	read    func(p []byte) (int, error)
}

// Read implements io.Reader.
func (c *contents) Read(p []byte) (int, error) { return c.read(p) }

// Close implements io.Closer.
func (c *contents) Close() error {
	c.archive.close()
	return nil
}

// archiveError tells a malformed archive from what its source says.
func archiveError(err error) error {
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, layer.ErrTar) {
		return fmt.Errorf("%w archive: %w", content.ErrInvalid, err)
	}
	return err
}

// maxName is the most bytes that a path or the text of a link can have: four times what Linux takes, so that no entry is a tree too deep to be walked.
const maxName = 16 << 10

// fileOf is what a header says. Its Path is the name in the archive, a hard link's Link the one that is linked to.
func fileOf(h *tar.Header) (*File, error) {
	if len(h.Name) > maxName || len(h.Linkname) > maxName {
		return nil, fmt.Errorf("%.300q: %w: a name of more than %d bytes", h.Name, content.ErrInvalid, maxName)
	}
	f := &File{
		Path: h.Name, Mode: uint32(h.Mode) & 0o7777, UID: h.Uid, GID: h.Gid, Uname: h.Uname, Gname: h.Gname, ModTime: h.ModTime.UTC(),
	}
	switch h.Typeflag {
	case tar.TypeDir:
		f.Type = Directory
	case tar.TypeSymlink:
		f.Type, f.Link = Symlink, h.Linkname
	case tar.TypeLink:
		f.Type, f.Link = Hardlink, h.Linkname
	case tar.TypeChar, tar.TypeBlock:
		f.Type, f.Major, f.Minor = Char, h.Devmajor, h.Devminor
		if h.Typeflag == tar.TypeBlock {
			f.Type = Block
		}
	case tar.TypeFifo:
		f.Type = FIFO
	default:
		f.Type, f.Size = Regular, h.Size
	}
	for key, value := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, "SCHILY.xattr."); ok {
			if f.Xattrs == nil {
				f.Xattrs = map[string]string{}
			}
			f.Xattrs[name] = value
		}
	}
	return f, nil
}
