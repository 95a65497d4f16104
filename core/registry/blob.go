package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

const (
	// smallBlob is the size in bytes up to which a blob is read whole before the caller sees it: a wrong byte in it then costs
	// another request and no error.
	smallBlob = 1 << 20
	// progress is what must have come for the tries of a read to be counted anew.
	progress = 64 << 10
)

// StatBlob returns the descriptor of a blob, of media type application/octet-stream. Size is -1 if the registry doesn't tell it. One that
// is not there is [content.ErrNotFound].
func (r *Repository) StatBlob(ctx context.Context, dgst digest.Digest) (content.Descriptor, error) {
	if _, err := content.ParseDigest(dgst.String()); err != nil {
		return content.Descriptor{}, err
	}
	req, err := r.request("read", blobSubject(dgst), http.MethodHead, "blobs/"+dgst.String(), r.pull())
	if err != nil {
		return content.Descriptor{}, err
	}
	return r.statBlob(ctx, req, dgst)
}

func (r *Repository) statBlob(ctx context.Context, req *request, dgst digest.Digest) (content.Descriptor, error) {
	req.header.Set("Accept-Encoding", "identity")
	resp, err := r.client.send(ctx, req)
	if headRefused(err) {
		get := req.with(req.url)
		get.method = http.MethodGet
		resp, err = r.client.send(ctx, get)
	}
	if err != nil {
		return content.Descriptor{}, err
	}
	resp.Body.Close() // of a GET: it is not wanted
	return content.Descriptor{MediaType: content.OctetStream, Digest: dgst, Size: resp.ContentLength}, nil
}

func (r *Repository) fetchBlob(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	req, err := r.request("read", blobSubject(desc.Digest), http.MethodGet, "blobs/"+desc.Digest.String(), r.pull())
	if err != nil {
		return nil, err
	}
	return r.client.fetchBlob(ctx, r.host, desc, req)
}

// fetchBlob returns a verifying reader of a blob. A small one is in memory, and right, when it returns.
func (c *Client) fetchBlob(ctx context.Context, h *host, desc content.Descriptor, req *request) (io.ReadCloser, error) {
	if desc.Size < 0 || desc.Size > c.shared.small {
		return c.openBlob(ctx, h, desc, req)
	}
	for try := 1; ; try++ {
		req := req.with(req.url)
		req.direct = req.direct || try > 1 // what a mirror sent was wrong
		data, err := c.readBlob(ctx, h, desc, req)
		if err == nil {
			return io.NopCloser(bytes.NewReader(data)), nil
		}
		if mirrorFailed(err) {
			continue
		}
		if !errors.Is(err, errWrongBytes) {
			return nil, err
		}
		if err := c.shared.again(ctx, h, try, err); err != nil {
			return nil, err
		}
	}
}

func (c *Client) readBlob(ctx context.Context, h *host, desc content.Descriptor, req *request) ([]byte, error) {
	blob, err := c.openBlob(ctx, h, desc, req)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	return io.ReadAll(blob)
}

// openBlob returns a verifying reader of a blob that survives what happens to its connections. Without a digest nothing is verified.
func (c *Client) openBlob(ctx context.Context, h *host, desc content.Descriptor, req *request) (io.ReadCloser, error) {
	req.header.Set("Accept-Encoding", "identity")
	req.streamed = true
	place, err := takeSlot(ctx, h.reads)
	if err != nil {
		return nil, err
	}
	b := &blobReader{req: req, desc: desc, client: c, slot: place, ctx: ctx}
	if err := b.open(); err != nil {
		b.Close()
		return nil, err
	}
	place.wait() // for the caller, who may never read it
	if desc.Digest == "" {
		return b, nil
	}
	verified, err := content.Verify(b, desc)
	return &checkedBlob{verified, b}, err
}

// errWrongBytes says that a blob came whole and is not what it should be, so that only reading it anew can help.
var errWrongBytes = errors.New("the registry sent other bytes")

// checkedBlob says of an error of the verifier whose blob it was.
type checkedBlob struct {
	io.ReadCloser
	blob *blobReader
}

// Verifies implements content.Verifying.
func (c *checkedBlob) Verifies() content.Descriptor { return content.Verifies(c.ReadCloser) }

func (c *checkedBlob) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if err != nil && err != io.EOF && !errors.As(err, new(*Error)) && errors.Is(err, content.ErrVerification) {
		err = c.blob.req.failed(fmt.Errorf("%w: %w", errWrongBytes, err))
		if distrust(c.blob.first, err) {
			err = &mirrorError{err}
		}
	}
	return n, err
}

// blobReader reads a blob and, when it is cut off, goes on where it was: with a new request to the registry, since the place it
// was redirected to may not be valid any more (registry.k8s.io#333).
type blobReader struct {
	req    *request
	desc   content.Descriptor
	client *Client
	slot   *slot
	ctx    context.Context // of Fetch: the reader lives as long as it

	body     io.ReadCloser // nil between two answers
	first    io.ReadCloser // the first of them, which a mirror may have given
	direct   bool          // mirrors failed
	offset   int64         // of the next byte
	failures int           // since there was progress
	since    int64         // the offset at the first of them
	err      error         // what every further read ends with
}

// Read implements io.Reader.
func (b *blobReader) Read(p []byte) (int, error) {
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	n, err := b.read(p)
	if err != nil {
		b.err = err
		b.Close()
		return n, err
	}
	b.slot.wait()
	return n, nil
}

func (b *blobReader) read(p []byte) (int, error) {
	if err := b.slot.move(b.ctx); err != nil {
		return 0, err
	}
	for {
		if b.body == nil {
			if err := b.open(); err != nil {
				return 0, err
			}
		}
		n, err := b.body.Read(p)
		b.offset += int64(n)
		if err == io.EOF && b.desc.Size <= b.offset {
			return n, io.EOF
		}
		if err == io.EOF {
			err = &networkError{io.ErrUnexpectedEOF}
		}
		if err != nil {
			err = b.broken(b.body, err)
			b.body.Close()
			b.body = nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// broken is failed for an answer with a body. After that of a mirror the registry itself is asked at once.
func (b *blobReader) broken(body io.ReadCloser, err error) error {
	if b.ctx.Err() == nil && distrust(body, b.req.failed(err)) {
		b.direct = true
		return nil
	}
	return b.failed(err)
}

// failed waits for the next try. It returns an error when there must be none.
func (b *blobReader) failed(err error) error {
	if b.failures == 0 || b.offset-b.since >= progress {
		b.failures, b.since = 0, b.offset
	}
	b.failures++
	return b.client.shared.again(b.ctx, b.req.host, b.failures, b.req.failed(err))
}

// open asks for the bytes from offset on, until there is an answer that makes sense.
func (b *blobReader) open() error {
	for ranged := b.offset > 0; ; {
		req := b.req.with(b.req.url)
		req.direct = req.direct || b.direct || b.failures > 0
		if ranged {
			req.header.Set("Range", fmt.Sprintf("bytes=%d-", b.offset))
		}
		resp, err := b.client.send(b.ctx, req)
		var e *Error
		if ranged && errors.As(err, &e) && e.is(http.StatusRequestedRangeNotSatisfiable) {
			ranged = false // it knows none: all of it again
			continue
		}
		if err != nil {
			return err
		}
		if b.first == nil {
			b.first = resp.Body
		}
		if err = b.accept(resp); err == nil {
			b.body = resp.Body
			return nil
		}
		err = b.broken(resp.Body, err)
		resp.Body.Close()
		if err != nil {
			return err
		}
	}
}

// accept checks that the answer's body begins at offset, and that its length is that of the blob's rest.
func (b *blobReader) accept(resp *http.Response) error {
	start := int64(0)
	if resp.StatusCode == http.StatusPartialContent {
		var ok bool
		if start, ok = parseContentRange(resp.Header.Get("Content-Range")); !ok || start != b.offset {
			return fmt.Errorf("%w: asked for the bytes from %d on, got %s", content.ErrVerification, b.offset, quote(resp.Header.Get("Content-Range")))
		}
	}
	if b.desc.Size >= 0 && resp.ContentLength >= 0 && start+resp.ContentLength != b.desc.Size {
		return fmt.Errorf("%w: %d bytes, promised were %d", content.ErrVerification, start+resp.ContentLength, b.desc.Size)
	}
	if skip := b.offset - start; skip > 0 { // a server without ranges starts anew
		if _, err := io.CopyN(io.Discard, resp.Body, skip); err != nil {
			return &networkError{err}
		}
	}
	return nil
}

// Close implements io.Closer.
func (b *blobReader) Close() error {
	if b.err == nil {
		b.err = errClosed
	}
	b.slot.free()
	if b.body == nil {
		return nil
	}
	body := b.body
	b.body = nil
	return body.Close()
}

var errClosed = errors.New("read of a closed blob")

// parseContentRange returns where the body of a 206 begins (RFC 9110, 14.4): "bytes 5-9/10".
func parseContentRange(header string) (int64, bool) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(header), "bytes ")
	if !ok {
		return 0, false
	}
	first, _, ok := strings.Cut(rest, "-")
	start, err := strconv.ParseInt(strings.TrimSpace(first), 10, 64)
	return start, ok && err == nil && start >= 0
}
