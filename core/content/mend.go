package content

import (
	"context"
	"errors"
)

// Bring makes sure that dst has a blob, in the cheapest way that it has: see [Mounter], to which from goes. Where it can only be asked and sent, a blob that
// came changed is sent once more, since what streams through a reader can't be taken back there; a Mounter tries again itself.
func Bring(ctx context.Context, dst Store, desc Descriptor, from []string, open Opener) (Transfer, error) {
	if m, ok := dst.(Mounter); ok {
		return m.Mount(ctx, desc, from, open)
	}
	there, err := dst.Exists(ctx, desc)
	if err != nil || there {
		return Present, err
	}
	err = dst.Push(ctx, desc, open)
	if errors.Is(err, ErrVerification) && ctx.Err() == nil {
		err = dst.Push(ctx, desc, open)
	}
	return Uploaded, err
}

// PushMended is PushTagged of a document that is in memory, whose needs Copy brought to dst before. When dst says that they are not all there, they are mended from
// src and the document is pushed again, once.
func PushMended(ctx context.Context, dst Repository, src Fetcher, desc Descriptor, data []byte, tags []string, opts *CopyOptions) error {
	err := PushTagged(ctx, dst, desc, FromBytes(data), tags)
	if !errors.Is(err, ErrIncomplete) {
		return err
	}
	if err := Mend(ctx, dst, src, desc, opts); err != nil {
		return err
	}
	return PushTagged(ctx, dst, desc, FromBytes(data), tags)
}

// Mend sends what the document root needs to a store that refused it as [ErrIncomplete]: all that is not there by the store's own word or, when
// it says that everything is, everything, for one of its two words is wrong. Nothing is
// mounted, since it may have been a mount that was lost. root itself is the caller's to push again, once: see PushMended. Of opts only SkipForeign matters.
func Mend(ctx context.Context, dst Store, src Fetcher, root Descriptor, opts *CopyOptions) error {
	c := newCopier(dst, src, opts)
	doc, _, err := c.read(ctx, root)
	if err != nil {
		return err
	}
	return c.mend(ctx, doc)
}

// push sends a document. What the store then says is missing is sent again, once.
func (c *copier) push(ctx context.Context, doc *Document, desc Descriptor, data []byte) error {
	err := c.dst.Push(ctx, desc, FromBytes(data))
	if !errors.Is(err, ErrIncomplete) {
		return err
	}
	if err := c.mend(ctx, doc); err != nil {
		return err
	}
	return c.dst.Push(ctx, desc, FromBytes(data))
}

func (c *copier) mend(ctx context.Context, doc *Document) error {
	children := c.needs(doc)
	mended := false
	for _, child := range children {
		if there, err := c.dst.Exists(ctx, child); err == nil && there {
			continue
		}
		mended = true
		if err := c.resend(ctx, doc, child); err != nil {
			return err
		}
	}
	if mended {
		return nil
	}
	for _, child := range children {
		if err := c.resend(ctx, doc, child); err != nil {
			return err
		}
	}
	return nil
}

// resend sends a child of doc whether or not it is there.
func (c *copier) resend(ctx context.Context, doc *Document, desc Descriptor) error {
	if !doc.pointsToDocument(desc) {
		return c.dst.Push(ctx, desc, FromFetcher(c.src, desc))
	}
	data, err := ReadAll(ctx, c.src, desc)
	if err != nil {
		return err
	}
	child, err := ParseDocument(desc.MediaType, data)
	if err != nil {
		return err
	}
	return c.push(ctx, child, desc, data)
}
