package registry

import (
	"context"
	"net/http"
	"net/url"

	"github.com/imgscript/imgscript/core/auth"
)

// Login asks host, as users write it, whether it takes a user and a password, and returns the credential to keep for it: see
// [auth.Authorizer.Login]. A refusal is [ErrDenied]. Nothing is kept.
func (c *Client) Login(ctx context.Context, host string, cred auth.Credential) (auth.Credential, error) {
	h := c.shared.host(host)
	l := &loginer{auth: c.auth, cred: cred}
	resp, err := c.shared.chain(func(next sender) sender {
		l.next = next
		return l
	}).send(ctx, &request{op: "login", repository: h.name, host: h, method: http.MethodGet, url: &url.URL{Host: h.addr, Path: "/v2/"}})
	if err != nil {
		return auth.Credential{}, err
	}
	discard(resp)
	return l.kept, nil
}

// loginer stands in the place of an authorizer: it sends a request with the credential that it is about.
type loginer struct {
	next sender
	auth *auth.Authorizer
	cred auth.Credential
	kept auth.Credential // what came of it
}

func (l *loginer) send(ctx context.Context, req *request) (*http.Response, error) {
	ctx = withHost(ctx, req.host) // token servers are under the rules for where this registry may lead
	var last *http.Response
	kept, err := l.auth.Login(ctx, req.origin(), l.cred, func(authorization string) (resp *http.Response, err error) {
		last, err = l.next.send(ctx, authorized(req, authorization))
		return last, err
	})
	l.kept = kept
	return last, err
}
