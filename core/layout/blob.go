package layout

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/atomicfile"
	"github.com/imgscript/imgscript/core/content"
)

// blobName is the file of a blob (image-layout.md, "Blobs"). Only a strict digest becomes a path.
func blobName(d digest.Digest) (string, error) {
	if _, err := content.ParseDigest(d.String()); err != nil {
		return "", err
	}
	return path.Join(blobsDir, d.Algorithm().String(), d.Encoded()), nil
}

// Fetch implements content.Fetcher.
func (l *Layout) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	name, err := blobName(desc.Digest)
	if err != nil {
		return nil, err
	}
	root, err := l.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, _, err := openFile(root, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, l.errorf("%s: %w", desc.Digest, content.ErrNotFound)
	}
	if err != nil {
		return nil, l.errorf("%w", err)
	}
	return content.Verify(f, desc)
}

// Exists implements content.Store. It looks at the size and not at the bytes. A layout that does not exist has nothing.
func (l *Layout) Exists(ctx context.Context, desc content.Descriptor) (bool, error) {
	if _, err := blobName(desc.Digest); err != nil {
		return false, err
	}
	root, err := l.reading(ctx)
	if errors.Is(err, content.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer root.Close()
	return l.exists(root, desc)
}

func (l *Layout) exists(root *os.Root, desc content.Descriptor) (bool, error) {
	name, err := blobName(desc.Digest)
	if err != nil {
		return false, err
	}
	info, err := root.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, l.errorf("%w", err)
	}
	return info.Mode().IsRegular() && (desc.Size < 0 || info.Size() == desc.Size), nil
}

// Push implements content.Pusher. A manifest or an index is listed in index.json too; see the package's doc.
func (l *Layout) Push(ctx context.Context, desc content.Descriptor, open content.Opener) error {
	return l.push(ctx, desc, open, func(x *index) error { return x.list(ctx, l, desc) })
}

// PushTagged implements content.TagPusher. The name must be one that [CheckName] takes.
func (l *Layout) PushTagged(ctx context.Context, desc content.Descriptor, open content.Opener, name string) error {
	if err := CheckName(name); err != nil {
		return l.errorf("%w", err)
	}
	return l.push(ctx, desc, open, func(x *index) error { return x.name(ctx, l, desc, name) })
}

// push stores a blob and, if it is a document, lists it.
func (l *Layout) push(ctx context.Context, desc content.Descriptor, open content.Opener, list func(*index) error) error {
	if err := content.CheckPush(desc); err != nil {
		return err
	}
	root, err := l.writing(ctx)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := l.put(ctx, root, desc, open); err != nil || !content.IsDocument(desc.MediaType) {
		return err
	}
	return l.update(ctx, root, list)
}

// put stores a blob unless it is there.
func (l *Layout) put(ctx context.Context, root *os.Root, desc content.Descriptor, open content.Opener) error {
	if there, err := l.exists(root, desc); err != nil || there {
		return err
	}
	name, err := blobName(desc.Digest)
	if err != nil {
		return err
	}
	r, err := open.Verified(ctx, desc)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := atomicfile.Create(root, ".", filePerm)
	if err != nil {
		return l.errorf("%w", err)
	}
	if err := f.Fill(ctx, r); err != nil {
		f.Discard()
		return l.errorf("write %s: %w", desc.Digest, err)
	}
	if err := f.Commit(name); err != nil {
		return l.errorf("%w", err)
	}
	return nil
}
