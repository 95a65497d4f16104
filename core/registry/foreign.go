package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/imgscript/imgscript/core/content"
)

// FetchForeign reads a foreign layer from the first of desc.URLs that gives it (image-spec, descriptor.md), verified like a blob of a registry. The
// URLs are somebody else's words: they get no credentials, whatever they ask for, must be HTTPS, and lead to public addresses alone
// (CVE-2020-15157). A host may be allowed more: plain HTTP and any address by Options.Insecure and HostOptions.Insecure, any address by
// HostOptions.AllowPrivate. An error tells of every URL; a descriptor without any is [content.ErrNotFound]. The caller closes the reader.
func (c *Client) FetchForeign(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	if _, err := content.ParseDigest(desc.Digest.String()); err != nil {
		return nil, err
	}
	if len(desc.URLs) == 0 {
		return nil, fmt.Errorf("%s has no urls: %w", blobSubject(desc.Digest), content.ErrNotFound)
	}
	var failures []error
	for _, ref := range desc.URLs {
		r, err := c.fetchURL(ctx, desc, ref)
		if err == nil {
			return r, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		failures = append(failures, err)
	}
	return nil, fmt.Errorf("foreign layer %s: %w", desc.Digest, errors.Join(failures...))
}

func (c *Client) fetchURL(ctx context.Context, desc content.Descriptor, ref string) (io.ReadCloser, error) {
	u, err := follow(&url.URL{Scheme: "http"}, ref, "read")
	if err != nil {
		return nil, err
	}
	h := c.shared.foreignHost(u.Host)
	if u.Scheme == "http" && !h.mayBePlain {
		return nil, &egressError{"read", redact(u), "it is not HTTPS"}
	}
	return c.openBlob(ctx, h, desc, &request{
		op: "read", repository: printable(u.Host), subject: blobSubject(desc.Digest), host: h, foreign: true,
		method: http.MethodGet, url: u, header: http.Header{},
	})
}

// foreignHost is what is known of a host as the place of foreign layers. It is no registry and is trusted with nothing, unless the configuration
// says so.
func (s *shared) foreignHost(addr string) *host {
	key := "urls of " + addr
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.hosts[key]
	if !ok {
		h = newHost(addr, &s.opts)
		h.addr = "" // no URL is its own
		h.mayBePlain = h.opts.Insecure || isListed(s.opts.Insecure, addr)
		h.opts.AllowPrivate = h.opts.AllowPrivate || h.mayBePlain
		h.reach.Store(int32(public))
		s.hosts[key] = h
	}
	return h
}
