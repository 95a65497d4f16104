package auth

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"golang.org/x/oauth2"
	googleoauth "golang.org/x/oauth2/google"
)

const (
	// googleScope is the scope that both of Google's registries accept for reading and writing; what an account may do is decided by its roles.
	googleScope = "https://www.googleapis.com/auth/cloud-platform"
	// metadataAddress is the metadata server's documented address. Its name is not used: a resolver could be made to lie about it.
	metadataAddress = "169.254.169.254"
	metadataTimeout = 5 * time.Second
	exchangeTimeout = 30 * time.Second
	// googleLeeway is how long before its end an access token is renewed: the token server's own tokens are made from it.
	googleLeeway = time.Minute
)

// keyKinds are the kinds of key files that are taken. Key files name the servers that they are sent to, and some kinds run programs or fetch URLs: a
// script's may only be of the kinds that do not.
func keyKinds(fromScript bool) []googleoauth.CredentialsType {
	kinds := []googleoauth.CredentialsType{googleoauth.ServiceAccount, googleoauth.AuthorizedUser}
	if fromScript {
		return kinds
	}
	return append(kinds, googleoauth.ExternalAccount, googleoauth.ExternalAccountAuthorizedUser, googleoauth.ImpersonatedServiceAccount)
}

// googleKey is a key file's text, the kind that it says it is of, and what of it must not be shown.
type googleKey struct {
	kind    googleoauth.CredentialsType
	text    []byte
	secrets []string
}

// parseGoogleKey checks the kind of a key. A key that is only a private key and an e-mail address, as the JavaScript library takes it, is a
// service account's. Errors repeat nothing of the key.
func parseGoogleKey(text []byte, fromScript bool) (*googleKey, error) {
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, errors.New("is not a Google key file: not a JSON object")
	}
	if _, ok := fields["type"]; !ok && fields["private_key"] != nil && fields["client_email"] != nil {
		fields["type"] = string(googleoauth.ServiceAccount)
		text, _ = json.Marshal(fields) // it came from JSON
	}
	kind, _ := fields["type"].(string)
	kinds := keyKinds(fromScript)
	if !slices.Contains(kinds, googleoauth.CredentialsType(kind)) {
		return nil, fmt.Errorf("is not a Google key file that can be used here: its type is %q, supported are %q", quotable(kind), kinds)
	}
	key := &googleKey{kind: googleoauth.CredentialsType(kind), text: text}
	for _, name := range []string{"private_key", "client_secret", "refresh_token"} {
		if s, ok := fields[name].(string); ok {
			key.secrets = append(key.secrets, s)
		}
	}
	return key, nil
}

// googleExchange gets access tokens from Google and keeps them until they expire.
type googleExchange struct {
	client   *http.Client
	metaOnly *http.Client
	allow    func(server *url.URL) error // of MapOptions; nil allows all
	now      func() time.Time
	tokens   *memo[[sha256.Size]byte, Credential]
}

func newGoogleExchange(client *http.Client, now func() time.Time) *googleExchange {
	if now == nil {
		now = time.Now
	}
	return &googleExchange{
		client: withoutRedirects(client),
		metaOnly: withoutRedirects(&http.Client{
			Transport: &http.Transport{DisableKeepAlives: true}, // and no proxy
			Timeout:   metadataTimeout,
		}),
		now:    now,
		tokens: newMemo[[sha256.Size]byte, Credential](now),
	}
}

// forget drops a token that was refused, if it is kept.
func (x *googleExchange) forget(cred Credential) bool {
	return x.tokens.dropAll(func(kept Credential) bool { return kept == cred })
}

// credential exchanges a key for an access token.
func (x *googleExchange) credential(ctx context.Context, text []byte, source string) (Credential, error) {
	key, err := parseGoogleKey(text, source == mapSource)
	if err != nil {
		return Credential{}, err
	}
	id := sha256.Sum256(append([]byte(source+"\x00"), text...))
	return x.tokens.get(ctx, id, func(ctx context.Context) (Credential, time.Time, error) {
		token, err := x.fetch(ctx, key)
		if err != nil {
			return Credential{}, time.Time{}, err
		}
		return Credential{Username: googleUser, Password: token.AccessToken, Source: source}, x.until(time.Until(token.Expiry)), nil
	})
}

// fetch runs the exchange that the key asks for. oauth2 does not tie all of its requests to a context, so the client does.
func (x *googleExchange) fetch(ctx context.Context, key *googleKey) (*oauth2.Token, error) {
	client := *x.client
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	guard := &guardedTransport{allow: x.allow, next: boundTransport(ctx, client.Transport)}
	client.Transport = guard
	creds, err := googleoauth.CredentialsFromJSONWithType(context.WithValue(ctx, oauth2.HTTPClient, &client), key.text, key.kind, googleScope)
	if err != nil {
		return nil, errors.New("is not a Google key file that can be used: a field is missing or malformed")
	}
	token, err := creds.TokenSource.Token()
	switch {
	case guard.refused != nil:
		return nil, guard.refused
	case err != nil:
		return nil, exchangeError(ctx, key, err)
	}
	if token.AccessToken == "" {
		return nil, errors.New("the token server's answer has no access token")
	}
	return token, nil
}

// exchangeError keeps of an error of oauth2 what is short and no secret: the errors themselves hold whole answers.
func exchangeError(ctx context.Context, key *googleKey, err error) error {
	var refused *oauth2.RetrieveError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &refused):
		return &ServerError{
			Server:  answerer(refused.Response),
			Status:  refused.Response.StatusCode,
			Message: quotable(scrub(errorText(refused.Body), key.secrets...)),
		}
	default:
		return fmt.Errorf("exchange the key for an access token: %s", quotable(scrub(err.Error(), key.secrets...)))
	}
}

// answerer is the host that an answer is from.
func answerer(resp *http.Response) string {
	if resp.Request == nil {
		return ""
	}
	return resp.Request.URL.Host
}

// until is the time until which a token that lives for so long is used. It is never at once, so that a wrong clock leads to a refusal and not to a loop.
func (x *googleExchange) until(life time.Duration) time.Time {
	return x.now().Add(max(life-googleLeeway, minTokenLife/2))
}

// metadata asks the metadata server for the token of the machine's service account; a machine without one knows nothing.
func (x *googleExchange) metadata(ctx context.Context, host string) (Credential, error) {
	id := sha256.Sum256([]byte("metadata\x00" + host))
	return x.tokens.get(ctx, id, func(ctx context.Context) (Credential, time.Time, error) {
		cred, life, err := x.askMetadata(ctx, host)
		return cred, x.until(life), err
	})
}

func (x *googleExchange) askMetadata(ctx context.Context, host string) (Credential, time.Duration, error) {
	url := "http://" + host + "/computeMetadata/v1/instance/service-accounts/default/token"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return Credential{}, 0, err
	}
	req.Header.Set("Metadata-Flavor", "Google")
	resp, err := x.metaOnly.Do(req)
	if err != nil {
		return Credential{}, 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return Credential{}, 0, nil
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Metadata-Flavor") != "Google" {
		return Credential{}, 0, fmt.Errorf("answers %d, not as Google's does", resp.StatusCode)
	}
	answer, err := readTokenAnswer(resp.Body)
	if err != nil {
		return Credential{}, 0, err
	}
	return Credential{Username: googleUser, Password: answer.token, Source: googleSource}, answer.life, nil
}

// guardedTransport asks before each request, and remembers what it was told: oauth2 keeps of an error the text alone. It is for one exchange, whose requests come one
// after the other.
type guardedTransport struct {
	allow   func(server *url.URL) error
	next    http.RoundTripper
	refused error
}

// RoundTrip implements http.RoundTripper.
func (g *guardedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if g.allow == nil {
		return g.next.RoundTrip(r)
	}
	if g.refused = g.allow(r.URL); g.refused == nil {
		return g.next.RoundTrip(r)
	}
	if r.Body != nil {
		r.Body.Close()
	}
	return nil, g.refused
}

// boundTransport ends requests with ctx whatever their own context.
func boundTransport(ctx context.Context, base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return roundTripFunc(func(r *http.Request) (*http.Response, error) { return base.RoundTrip(r.WithContext(ctx)) })
}

type roundTripFunc func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
