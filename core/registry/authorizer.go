package registry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/imgscript/imgscript/core/auth"
)

// authorizer answers the challenges of the request's own registry. Requests to anywhere else, such as an upload that lives on
// another host, go without credentials.
type authorizer struct {
	next  sender
	auth  *auth.Authorizer
	fresh *freshTokens
}

func (a *authorizer) send(ctx context.Context, req *request) (*http.Response, error) {
	if req.foreign || !req.host.serves(req.url) {
		return a.next.send(ctx, req)
	}
	ctx = withHost(ctx, req.host) // token servers are under the rules for where this registry may lead
	used, refused := "", false
	var elsewhere *strangerError
	send := func(authorization string) (*http.Response, error) {
		used = authorization
		resp, err := a.next.send(ctx, authorized(req, authorization))
		refused = err == nil && refusesToken(resp)
		return notOfStranger(req, resp, err)
	}
	resp, err := a.do(ctx, req, send)
	if errors.As(err, &elsewhere) {
		return elsewhere.resp, nil
	}
	if refused && strings.HasPrefix(used, "Bearer ") && errors.Is(err, auth.ErrDenied) {
		resp, err = a.do(ctx, req, send) // a token may die between the server that gave it and its first use
	}
	if err != nil || used == "" || !looksStale(resp) || a.fresh.has(used) {
		return resp, err
	}
	return a.refresh(ctx, req, used, resp)
}

// strangerError is a 401 of another host, to which a request was redirected. Its challenge is not the registry's: to answer it would be to let anybody whom
// the registry names ask for tokens in its name.
type strangerError struct{ resp *http.Response }

func (e *strangerError) Error() string { return "another host wants credentials" }

func notOfStranger(req *request, resp *http.Response, err error) (*http.Response, error) {
	if err == nil && resp.StatusCode == http.StatusUnauthorized && !req.host.serves(resp.Request.URL) {
		return nil, &strangerError{resp}
	}
	return resp, err
}

// refusesToken reports whether an answer refuses a token for another reason than that it doesn't allow enough (RFC 6750, 3.1).
func refusesToken(resp *http.Response) bool {
	return resp.StatusCode == http.StatusUnauthorized && !strings.Contains(resp.Header.Get("Www-Authenticate"), "insufficient_scope")
}

func (a *authorizer) do(ctx context.Context, req *request, send func(authorization string) (*http.Response, error)) (*http.Response, error) {
	return a.auth.Do(ctx, req.origin(), req.scopes, send)
}

// origin is the registry of a request whose scheme is known.
func (r *request) origin() auth.Origin {
	return auth.Origin{Scheme: r.url.Scheme, Host: r.host.addr, Name: r.host.name}
}

func authorized(req *request, authorization string) *request {
	if authorization == "" {
		return req
	}
	return req.withHeader("Authorization", authorization)
}

// refresh sends a request again with a new token in place of one that seems to have expired. What the registry said first is the answer if there
// is none to be had.
func (a *authorizer) refresh(ctx context.Context, req *request, used string, first *http.Response) (*http.Response, error) {
	resp, err := a.do(ctx, req, func(authorization string) (*http.Response, error) {
		if authorization == used { // what the registry should have answered
			return &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{}, Body: http.NoBody, Request: first.Request}, nil
		}
		a.fresh.add(authorization) // if it is refused too, that is no matter of age
		resp, err := a.next.send(ctx, authorized(req, authorization))
		return notOfStranger(req, resp, err)
	})
	if err != nil {
		a.fresh.add(used)
		return first, nil
	}
	first.Body.Close()
	return resp, nil
}

var staleWords = regexp.MustCompile(`(?i)expired|reauthenticate|(authorization|access|bearer|auth) token|invalid token|not valid token`)

// looksStale reports whether an answer may be that of a registry to a token that has expired, although it is no 401: ECR says 403 in a text
// (aws/containers-roadmap: "Your authorization token has expired"), ECR Public 400, neither with a challenge. What names another error of the spec is
// about that. The body can still be read afterwards.
func looksStale(resp *http.Response) bool {
	if resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Www-Authenticate") != "" {
		return false
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	resp.Body = &readAgain{io.MultiReader(bytes.NewReader(data), &failed{err}), resp.Body}
	var e Error
	e.Status = resp.StatusCode
	e.readBytes(data)
	text := strings.TrimSpace(string(data))
	switch {
	case staleWords.MatchString(text):
		return len(e.Codes) == 0 || e.Has("DENIED", "UNAUTHORIZED", "UNKNOWN")
	case resp.Request != nil && resp.Request.Method == http.MethodHead:
		return true // it can't say why
	}
	return false
}

// readAgain is a body of which the start was read.
type readAgain struct {
	io.Reader
	io.Closer
}

// failed ends a reader: with err, or as usual.
type failed struct{ err error }

func (f *failed) Read([]byte) (int, error) {
	if f.err == nil {
		return 0, io.EOF
	}
	return 0, f.err
}

const (
	freshFor = 5 * time.Minute // less than the life of any token
	maxFresh = 1000            // headers that are remembered
)

// freshTokens remembers the headers that were got because others seemed stale, so that a plain refusal does not cost a new token each time.
type freshTokens struct {
	now func() time.Time

	mu   sync.Mutex
	when map[string]time.Time
}

func (f *freshTokens) add(header string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.when == nil || len(f.when) >= maxFresh {
		f.when = map[string]time.Time{}
	}
	f.when[header] = f.now()
}

func (f *freshTokens) has(header string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	when, ok := f.when[header]
	return ok && f.now().Sub(when) < freshFor
}
