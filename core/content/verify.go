package content

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"

	"github.com/opencontainers/go-digest"
)

// MaxDocument is the size in bytes up to which manifests, indexes and configs are read. The distribution spec asks registries to take
// manifests of 4 MiB; more is refused.
const MaxDocument = 4 << 20

// Verifying is a reader that [Verify] returned, or one around it that passes its bytes on as they are.
type Verifying interface {
	// Verifies returns what the bytes are held to; the zero Descriptor once something was read, or when they are held to nothing.
	Verifies() Descriptor
}

// Verifies returns what the bytes of r are held to, if it is a [Verifying] one, else the zero Descriptor.
func Verifies(r io.Reader) Descriptor {
	if v, ok := r.(Verifying); ok {
		return v.Verifies()
	}
	return Descriptor{}
}

// Verify returns a reader of r that ends with [ErrVerification] in place of io.EOF when the bytes are not those of desc, and fails as soon as
// they are too many. Closing it closes r. It is r itself when that verifies the same already: a copy would hash everything twice otherwise.
func Verify(r io.ReadCloser, desc Descriptor) (io.ReadCloser, error) {
	if _, err := ParseDigest(desc.Digest.String()); err != nil {
		r.Close()
		return nil, err
	}
	if v := Verifies(r); v.Digest == desc.Digest && v.Size == desc.Size {
		return r, nil
	}
	return &verifier{r: r, desc: desc, hash: desc.Digest.Algorithm().Digester()}, nil
}

type verifier struct {
	r    io.ReadCloser
	desc Descriptor
	hash digest.Digester
	n    int64
	err  error
}

// Read implements io.Reader.
func (v *verifier) Read(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	n, err := v.r.Read(p)
	v.n += int64(n)
	v.hash.Hash().Write(p[:n]) // a hash never fails
	switch {
	case v.desc.Size >= 0 && v.n > v.desc.Size:
		n, err = 0, fmt.Errorf("%s: %w: more than the promised %d bytes", v.desc.Digest, ErrVerification, v.desc.Size)
	case err == io.EOF:
		err = v.end()
	}
	v.err = err
	return n, err
}

// end is the error with which the reader ends: io.EOF when everything is right.
func (v *verifier) end() error {
	if v.desc.Size >= 0 && v.n != v.desc.Size {
		return fmt.Errorf("%s: %w: %d bytes, promised were %d", v.desc.Digest, ErrVerification, v.n, v.desc.Size)
	}
	if got := v.hash.Digest(); got != v.desc.Digest {
		return fmt.Errorf("%s: %w: the bytes have digest %s", v.desc.Digest, ErrVerification, got)
	}
	return io.EOF
}

// Verifies implements Verifying.
func (v *verifier) Verifies() Descriptor {
	if v.n > 0 || v.err != nil {
		return Descriptor{}
	}
	return v.desc
}

// Close implements io.Closer.
func (v *verifier) Close() error { return v.r.Close() }

// CheckBytes reports whether data has the digest and size of desc.
func CheckBytes(desc Descriptor, data []byte) error {
	if desc.Size >= 0 && int64(len(data)) != desc.Size {
		return fmt.Errorf("%s: %w: %d bytes, promised were %d", desc.Digest, ErrVerification, len(data), desc.Size)
	}
	dgst, err := ParseDigest(desc.Digest.String())
	if err != nil {
		return err
	}
	if got := dgst.Algorithm().FromBytes(data); got != desc.Digest {
		return fmt.Errorf("%s: %w: the bytes have digest %s", desc.Digest, ErrVerification, got)
	}
	return nil
}

// ReadAll fetches a small blob or document whole: at most [MaxDocument] bytes, verified.
func ReadAll(ctx context.Context, src Fetcher, desc Descriptor) ([]byte, error) {
	return ReadLimited(ctx, src, desc, MaxDocument)
}

// ReadLimited fetches a blob whole, verified, and fails with ErrTooLarge when it has more than limit bytes.
func ReadLimited(ctx context.Context, src Fetcher, desc Descriptor, limit int64) ([]byte, error) {
	limit = min(limit, math.MaxInt64-1) // one more is read below
	if desc.Size > limit {
		return nil, fmt.Errorf("%s: %d bytes are %w of %d", desc.Digest, desc.Size, ErrTooLarge, limit)
	}
	r, err := src.Fetch(ctx, desc)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var b bytes.Buffer
	if desc.Size > 0 { // the size is what somebody says: no more memory is taken on trust than for a manifest
		b.Grow(int(min(desc.Size, MaxDocument)) + bytes.MinRead)
	}
	// One byte over the limit tells a blob of just the limit from a longer one; the verifier sees the true end of the former.
	n, err := io.Copy(&b, io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, fmt.Errorf("%s: %w of %d bytes", desc.Digest, ErrTooLarge, limit)
	}
	return b.Bytes(), nil
}

// FromBytes opens data.
func FromBytes(data []byte) Opener {
	return func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
}

// FromFetcher opens the blob desc of src.
func FromFetcher(src Fetcher, desc Descriptor) Opener {
	return func(ctx context.Context) (io.ReadCloser, error) { return src.Fetch(ctx, desc) }
}

// ReadOpener reads what open opens, verified against desc, whole.
func ReadOpener(ctx context.Context, open Opener, desc Descriptor) ([]byte, error) {
	return ReadLimited(ctx, openerFetcher(open), desc, MaxDocument)
}

type openerFetcher Opener

// Fetch implements Fetcher.
func (o openerFetcher) Fetch(ctx context.Context, desc Descriptor) (io.ReadCloser, error) {
	return Opener(o).Verified(ctx, desc)
}

// Verified opens the blob from its start as Verify does: what is read is held to desc. The caller closes it.
func (o Opener) Verified(ctx context.Context, desc Descriptor) (io.ReadCloser, error) {
	r, err := o(ctx)
	if err != nil {
		return nil, err
	}
	return Verify(r, desc)
}
