package registry

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/imgscript/imgscript/core/content"
)

// maxURLs is how many URLs of one foreign layer are tried; real ones have one or two.
const maxURLs = 16

// FetchForeign reads a foreign layer from the first of desc.URLs that gives it (image-spec, descriptor.md), verified like a blob of a registry. The
// URLs are somebody else's words: they get no credentials, whatever they ask for, must be HTTPS, and lead to public addresses alone
// (CVE-2020-15157). A host may be allowed more: plain HTTP and any address by Options.Insecure and HostOptions.Insecure, any address by
// HostOptions.AllowPrivate. One that is small or cut off is tried again as those of registries are; a big one that turns out to be wrong is an error of
// the reader, since its bytes are given away by then. An error tells of every URL, of which the first 16 are tried; a descriptor without any is
// [content.ErrNotFound]. ctx rules the reader too, which the caller closes.
func (c *Client) FetchForeign(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	if _, err := content.ParseDigest(desc.Digest.String()); err != nil {
		return nil, err
	}
	if len(desc.URLs) == 0 {
		return nil, fmt.Errorf("%s has no urls: %w", blobSubject(desc.Digest), content.ErrNotFound)
	}
	var failures []error
	for _, ref := range desc.URLs[:min(len(desc.URLs), maxURLs)] {
		r, err := c.fetchForeign(ctx, desc, ref)
		if err == nil {
			return r, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		failures = append(failures, err)
	}
	if more := len(desc.URLs) - maxURLs; more > 0 {
		failures = append(failures, fmt.Errorf("%d more URLs were not tried", more))
	}
	return nil, fmt.Errorf("foreign layer %s: %w", desc.Digest, allOf(failures))
}

// allOf is all of at least one error in one line.
func allOf(errs []error) error {
	all := errs[0]
	for _, err := range errs[1:] {
		all = fmt.Errorf("%w; %w", all, err)
	}
	return all
}

func (c *Client) fetchForeign(ctx context.Context, desc content.Descriptor, ref string) (io.ReadCloser, error) {
	u, err := follow(&url.URL{Scheme: "http"}, ref, "read")
	if err != nil {
		return nil, err
	}
	return c.fetchURL(ctx, c.shared.webHost(u.Host, false), desc, u, http.Header{})
}

// FetchURL reads a file from a URL that the user of the client wrote. Its host is trusted like that of a registry which the user names: it may have any
// address, and speak plain HTTP if it is loopback or among Options.Insecure; what it leads to is held to the rules for everything that servers say. No
// credentials are sent but a user and a password in the URL, to its very scheme, host and port. The bytes are verified against desc, tried again and
// read on like those of a registry; without a digest and with a negative size they are taken as they come. Errors are *[Error] where a
// server was asked, and never show the query of the URL. ctx rules the reader too, which the caller closes.
func (c *Client) FetchURL(ctx context.Context, ref string, desc content.Descriptor) (io.ReadCloser, error) {
	u, err := url.Parse(ref)
	if err != nil || u.Host == "" || u.Opaque != "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, &egressError{"read", redactText(withoutUser(ref)), "it is not a URL with a host, of HTTP or HTTPS"}
	}
	header := http.Header{}
	if u.User != nil {
		password, _ := u.User.Password()
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)))
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	return c.fetchURL(ctx, c.shared.webHost(u.Host, true), desc, u, header)
}

// withoutUser cuts what may be a user and a password from what is hardly a URL.
func withoutUser(ref string) string { return ref[strings.LastIndexByte(ref, '@')+1:] }

func (c *Client) fetchURL(ctx context.Context, h *host, desc content.Descriptor, u *url.URL, header http.Header) (io.ReadCloser, error) {
	if u.Scheme == "http" && !h.mayBePlain {
		return nil, &egressError{"read", redact(u), "it is not HTTPS"}
	}
	req := &request{
		op: "read", repository: printable(u.Host), host: h, foreign: true,
		method: http.MethodGet, url: u, header: header,
	}
	if desc.Digest != "" {
		req.subject = blobSubject(desc.Digest)
	}
	return c.fetchBlob(ctx, h, desc, req)
}

// webHost is what is known of a host as a place of files. It is no registry. One that a document names is trusted with nothing, unless the configuration
// says so, and its own address is looked at like all others.
func (s *shared) webHost(addr string, trusted bool) *host {
	key := "urls of " + addr
	if trusted {
		key = "files of " + addr
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.hosts[key]
	if ok {
		return h
	}
	h = newHost(addr, &s.opts)
	h.addr = addr // "docker.io" is where it says, here
	if !trusted {
		h.addr = "" // no URL is its own
		h.mayBePlain = h.opts.Insecure || isListed(s.opts.Insecure, addr)
		h.opts.AllowPrivate = h.opts.AllowPrivate || h.mayBePlain
		h.reach.Store(int32(public))
	}
	s.hosts[key] = h
	return h
}
