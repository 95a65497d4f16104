package registry

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/imgscript/imgscript/core/auth"
)

// maxRedirects is the number of redirects that a request follows; real registries send one or two.
const maxRedirects = 5

// egressError is a URL from a server to which no request may go.
type egressError struct {
	what, url, why string
}

func (e *egressError) Error() string {
	return fmt.Sprintf("refused %s to %s: %s", e.what, e.url, e.why)
}

// follow returns where a reference that came with an answer to a request for from leads. It is the one place that decides whether a
// request may go where a server sends it: never from HTTPS to plain HTTP. What a server behind a TLS proxy believes to be its own
// plain address is taken as the address that was asked.
func follow(from *url.URL, ref, what string) (*url.URL, error) {
	to, err := from.Parse(ref)
	if err == nil {
		to, err = url.Parse(to.String()) // what is checked here is what is read when it is sent
	}
	if err != nil {
		return nil, &egressError{what, redactText(ref), "it is not a URL"}
	}
	to.Fragment, to.RawFragment = "", ""
	own := canonicalAddr(to.Scheme, to.Host)
	if from.Scheme == "https" && to.Scheme == "http" && (own == from.Host || own == hostname(from.Host)) {
		to.Scheme, to.Host = from.Scheme, from.Host
	}
	switch {
	case to.Host == "" || to.Opaque != "":
		err = &egressError{what, redactText(ref), "it has no host"}
	case to.User != nil:
		err = &egressError{what, redact(to), "it has a user in it"}
	case to.Scheme == "http" && from.Scheme != "http":
		err = &egressError{what, redact(to), "it leads from HTTPS to plain HTTP"}
	case to.Scheme != "http" && to.Scheme != "https":
		err = &egressError{what, redact(to), "it is neither HTTP nor HTTPS"}
	}
	if err != nil {
		return nil, err
	}
	return to, nil
}

// followAnswer is follow for what came with an answer. A server that puts the credential that it was sent into a URL would have it sent to whom it likes, and
// written into logs.
func followAnswer(resp *http.Response, ref, what string) (*url.URL, error) {
	for _, secret := range secretsOf(resp.Request.Header) {
		if len(secret) >= leastTelling && auth.Scrub(ref, secret) != ref {
			return nil, &egressError{what, "a URL", "it has the credential in it"}
		}
	}
	return follow(resp.Request.URL, ref, what)
}

// leastTelling is the length in bytes from which on a secret in a URL is no coincidence: a password may be the name of a repository.
const leastTelling = 16

// redactText shows what is not a URL, without the part that may be secret if it is nearly one.
func redactText(ref string) string {
	head, _, cut := strings.Cut(ref, "?")
	if cut {
		head += "?…"
	}
	return quote(head)
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && canonicalAddr(a.Scheme, a.Host) == canonicalAddr(b.Scheme, b.Host)
}

// redirector follows redirects. Credentials are dropped at the first hop to another scheme, host or port and stay dropped, since
// storage behind a CDN refuses what carries two (rkt#2465) and other clients leaked theirs there.
type redirector struct{ next sender }

func (r *redirector) send(ctx context.Context, req *request) (*http.Response, error) {
	for hops := 0; ; hops++ {
		resp, err := r.next.send(ctx, req)
		if err != nil || !redirects(req.method, resp) {
			return resp, err
		}
		discard(resp)
		if hops == maxRedirects {
			return nil, &egressError{"redirect", redact(req.url), fmt.Sprintf("it is the last of more than %d", maxRedirects)}
		}
		to, err := followAnswer(resp, resp.Header.Get("Location"), "redirect")
		if err != nil {
			return nil, err
		}
		from := req.url
		req = req.with(to)
		if !sameOrigin(from, to) {
			req.header.Del("Authorization")
		}
	}
}

// redirects reports whether an answer sends this request elsewhere. 301 to 303 say nothing of use to a request with a body:
// net/http's rule of turning those into GET would lose it.
func redirects(method string, resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther:
		if method != http.MethodGet && method != http.MethodHead {
			return false
		}
	default:
		return false
	}
	return resp.Header.Get("Location") != ""
}
