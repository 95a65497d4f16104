package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry"
)

// Blob is data that a script may use: a remote file, a registry's blob, a layer's bytes. It is opened as often as it is needed.
type Blob struct {
	Name string // for messages
	Size int64  // bytes; -1 when it is not known
	Open content.Opener

	stat   func(ctx context.Context) (int64, error) // finds the size out, if there is a way
	memory []byte                                   // what Open reads, where that is in memory
	source string                                   // a local file, from the root; "" for other data
}

// inMemory is what the data is, where it is in memory.
func (b *Blob) inMemory() []byte {
	if b == nil {
		return nil
	}
	return b.memory
}

// SizeOf returns the size in bytes, which may have to be waited for. Of a stream it is an error.
func (b *Blob) SizeOf(ctx context.Context) (int64, error) {
	switch {
	case b.Size >= 0:
		return b.Size, nil
	case b.stat != nil:
		return b.stat(ctx)
	}
	return 0, errors.New("the size of a stream is not known: give size = …")
}

// FetchOptions pins a remote file.
type FetchOptions struct {
	SHA256 string // 64 hex digits, with or without "sha256:"; without it, Fetch fails with the digest seen
	Size   int64  // bytes; negative when it is not known
}

// Fetch starts reading a remote file into the cache, where it may be already. It must be reached over HTTPS, or on a loopback or insecure host.
func (r *Run) Fetch(at Origin, address string, opts FetchOptions) (*Blob, error) {
	want, err := pinned(opts)
	if err != nil {
		return nil, err
	}
	if err := r.mayFetch(address); err != nil {
		return nil, err
	}
	if err := r.hasFetched(address, want); err != nil {
		return nil, err
	}
	file := async(r, at, "fetch", false, nil, func(ctx context.Context, _ *step) (content.Descriptor, error) {
		desc, err := r.download(ctx, address, want)
		if err == nil {
			r.NoteInput(Input{Kind: InputFetch, Name: redactURL(address), Digest: desc.Digest})
		}
		return desc, err
	})
	stat := func(ctx context.Context) (int64, error) {
		desc, err := file.get(ctx)
		if err != nil || desc.Size >= 0 {
			return desc.Size, err
		}
		return contentLength(ctx, r.engine.cache, desc)
	}
	return &Blob{Name: redactURL(address), Size: want.Size, stat: stat, Open: func(ctx context.Context) (io.ReadCloser, error) {
		desc, err := file.get(ctx)
		if err != nil {
			return nil, err
		}
		return r.engine.cache.Fetch(ctx, desc)
	}}, nil
}

// contentLength reads a blob of the cache to see how long it is.
func contentLength(ctx context.Context, store content.Fetcher, desc content.Descriptor) (int64, error) {
	body, err := store.Fetch(ctx, desc)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	return io.Copy(io.Discard, body)
}

func pinned(opts FetchOptions) (content.Descriptor, error) {
	desc := content.Descriptor{MediaType: content.OctetStream, Size: max(opts.Size, -1)}
	if opts.SHA256 == "" {
		return desc, nil
	}
	dgst, err := parseDigest("sha256:" + strings.TrimPrefix(opts.SHA256, "sha256:"))
	desc.Digest = dgst
	return desc, err
}

func parseDigest(s string) (digest.Digest, error) { return content.ParseDigest(s) }

// download brings a remote file into the cache.
func (r *Run) download(ctx context.Context, address string, want content.Descriptor) (content.Descriptor, error) {
	store := r.engine.cache
	if want.Digest != "" {
		if there, err := store.Exists(ctx, want); err == nil && there {
			return want, nil
		}
	}
	ctx, watch := r.events.begin(ctx, Event{What: FetchWork, Subject: redactURL(address), Total: want.Size})
	desc, err := r.ingest(ctx, address, want, watch)
	watch.end("fetched", desc.Digest, err)
	if err != nil {
		return content.Descriptor{}, err
	}
	if want.Digest == "" {
		return content.Descriptor{}, fmt.Errorf("%s: sha256 is not given; what is there now has sha256 = %q", redactURL(address), desc.Digest.Encoded())
	}
	return desc, nil
}

func (r *Run) ingest(ctx context.Context, address string, want content.Descriptor, watch *task) (content.Descriptor, error) {
	open := func(ctx context.Context) (io.ReadCloser, error) { return r.get(ctx, address, want) }
	return r.engine.cache.Ingest(ctx, want.MediaType, func(w io.Writer) error {
		body, err := watch.watch(open)(ctx)
		if err != nil {
			return err
		}
		defer body.Close()
		_, err = io.Copy(w, body)
		return webError(address, err)
	})
}

// get reads a URL that a script named, without credentials but its own, and verified if want has a digest. The caller closes the body.
func (r *Run) get(ctx context.Context, address string, want content.Descriptor) (io.ReadCloser, error) {
	if err := r.mayFetch(address); err != nil {
		return nil, err
	}
	if err := r.mayConnect(address); err != nil {
		return nil, err
	}
	body, err := r.registry.FetchURL(ctx, address, want)
	return body, webError(address, err)
}

// webError says of an error what was asked for, in fewer words than a registry's client.
func webError(address string, err error) error {
	var answer *registry.Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &answer):
		return fmt.Errorf("%s: %w", redactURL(address), err)
	case answer.Status != 0:
		return &missingFile{fmt.Sprintf("GET %s: %d %s", answer.URL, answer.Status, http.StatusText(answer.Status))}
	case errors.Is(err, content.ErrVerification): // the pin may be wrong as well
		return fmt.Errorf("%s: %w", redactURL(address), answer.Err)
	}
	return err
}

// missingFile is a file that its server did not give.
type missingFile struct{ text string }

// Error implements error.
func (e *missingFile) Error() string { return e.text }

// Is makes it a failure of the network; it is no word of a registry about an image or a credential.
func (e *missingFile) Is(target error) bool { return target == registry.ErrUnreachable }

// mayFetch holds a URL that a script named to HTTPS and to the policy.
func (r *Run) mayFetch(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return fmt.Errorf("%q is no URL with a host", withoutSecrets(address))
	}
	if err := checkScheme(u, r.engine.insecure); err != nil {
		return err
	}
	return r.mayReachURL(u)
}

// mayFollow holds the host of a URL that a document named to the policy. The registry's client sees to the rest.
func (r *Run) mayFollow(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return fmt.Errorf("%q is no URL with a host", withoutSecrets(address))
	}
	if err := r.mayConnect(address); err != nil {
		return err
	}
	return r.mayReachURL(u)
}

func checkScheme(u *url.URL, insecure []string) error {
	switch {
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && (isLoopback(u.Hostname()) || slices.Contains(insecure, u.Host)):
		return nil
	case u.Scheme == "http":
		return &PermissionError{redactURL(u.String()) + ": plain HTTP; use https, or name the host as insecure", "insecure-registry", u.Host}
	}
	return fmt.Errorf("%s: only https URLs can be fetched", redactURL(u.String()))
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// newTokenClient is the client for token servers that keys name: it follows no redirect, since what it sends are keys.
func newTokenClient(transport http.RoundTripper) *http.Client {
	if transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.ResponseHeaderTimeout = time.Minute
		transport = t
	}
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// redactURL is a URL without user, query and fragment, any of which may be a secret.
func redactURL(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "a malformed URL"
	}
	u.User, u.Fragment = nil, ""
	if u.RawQuery != "" {
		u.RawQuery = "…"
	}
	return u.String()
}

// withoutSecrets cuts from what is hardly a URL what may be a user, a password or a query.
func withoutSecrets(address string) string {
	head, _, _ := strings.Cut(address, "?")
	return head[strings.LastIndexByte(head, '@')+1:]
}

func readCloser(data []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(data)) }
