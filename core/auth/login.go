package auth

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

// Login asks a registry whether it takes a user and a password, and returns the credential to keep: the same one, or one with an identity token if the
// registry's token server gives one for it (https://distribution.github.io/distribution/spec/auth/token/, offline_token). send is called as [Authorizer.Do]
// calls it, twice, and sends a GET of the registry's base, /v2/. The Authorizer's keychain is not asked.
//
// A registry that lets everybody see its base is sent the credential as Basic all the same, and says what it makes of it. The errors are those of Do.
func (a *Authorizer) Login(ctx context.Context, origin Origin, cred Credential, send func(authorization string) (*http.Response, error)) (Credential, error) {
	if strings.Contains(cred.Username, ":") {
		return Credential{}, errors.New("a user's name cannot have a colon (RFC 7617)")
	}
	resp, err := send("")
	if err != nil {
		return Credential{}, err
	}
	header, kept, err := a.loginHeader(ctx, newQuestion(origin, nil), resp, cred)
	if err != nil {
		return Credential{}, err
	}
	if resp, err = send(header); err != nil {
		return Credential{}, err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return Credential{}, newServerError(resp, origin.Host, cred, header)
	}
	discard(resp)
	return kept, nil
}

// loginHeader answers what a registry says to a request without a credential. It closes that answer's body.
func (a *Authorizer) loginHeader(ctx context.Context, q question, resp *http.Response, cred Credential) (string, Credential, error) {
	ch := challenge{scheme: "basic"}
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		ch = choose(parseChallenges(resp.Header.Values("Www-Authenticate")))
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return "", cred, newServerError(resp, q.key.origin.Host, cred, "")
	}
	discard(resp)
	if ch.scheme == "basic" {
		header, _, err := a.answer(ctx, q, ch, cred)
		return header, cred, err
	}
	t, err := a.tokenRequest(q, ch, cred)
	if err != nil {
		return "", cred, err
	}
	t.login = true
	answer, err := t.token(ctx)
	if err == nil && headerSafe(answer.refresh) {
		cred = Credential{Username: cred.Username, IdentityToken: answer.refresh, Source: cred.Source}
	}
	return "Bearer " + answer.token, cred, err
}
