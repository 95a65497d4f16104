package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// AuthorizerOptions change an Authorizer. nil and the zero value are anonymous, with the default transport.
type AuthorizerOptions struct {
	// Keychain is where credentials come from; nil knows none.
	Keychain Keychain
	// Client asks token servers. Its redirect policy and cookies are not used; its transport is, so that is the place for proxies, certificates and a
	// rule for the addresses that may be dialled. nil is a client with the default transport.
	Client *http.Client
	// Now is the clock by which tokens expire; nil is time.Now.
	Now func() time.Time
	// AllowRealm allows sending a credential for origin to a realm on HTTPS that is neither of its domain nor a known one. nil allows none.
	AllowRealm func(origin Origin, realm *url.URL) bool
}

// Authorizer answers challenges with the credentials of one keychain and holds the tokens of many registries. Make one with [NewAuthorizer];
// it may be used by many goroutines at once.
type Authorizer struct {
	opaque
	opts      AuthorizerOptions
	grants    *memo[grantKey, grant]
	refreshes *memo[exchangeKey, string]

	mu         sync.Mutex
	challenges map[Origin]challenge // the last one that was answered
}

// grantKey names what a grant is for: a registry and a canonical set of scopes.
type grantKey struct {
	origin Origin
	scopes string
}

// grant is a header that was obtained.
type grant struct {
	header string
	cred   Credential
	broken error // sources that did not work while cred was looked for
}

// NewAuthorizer returns an Authorizer.
func NewAuthorizer(opts *AuthorizerOptions) *Authorizer {
	o := AuthorizerOptions{}
	if opts != nil {
		o = *opts
	}
	if o.Keychain == nil {
		o.Keychain = Chain()
	}
	if o.Client == nil {
		o.Client = &http.Client{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Authorizer{
		opts:       o,
		grants:     newMemo[grantKey, grant](o.Now),
		refreshes:  newMemo[exchangeKey, string](o.Now),
		challenges: map[Origin]challenge{},
	}
}

// Scope is a repository and what is to be done there.
type Scope struct {
	Repository string // full name below the registry: "library/node"
	Actions    string // "pull", "pull,push", "delete", in any order
}

// String is the form that token servers know, with the actions sorted: "repository:library/node:pull,push".
func (s Scope) String() string {
	actions := strings.Split(s.Actions, ",")
	slices.Sort(actions)
	return "repository:" + s.Repository + ":" + strings.Join(slices.Compact(actions), ",")
}

// question is one call's origin and scopes.
type question struct {
	key        grantKey
	repository string
	scopes     []string
}

// newQuestion puts scopes that change something first, as some servers look at the first alone, and the rest in the order of their names.
func newQuestion(origin Origin, scopes []Scope) question {
	sorted := slices.Clone(scopes)
	slices.SortFunc(sorted, func(a, b Scope) int {
		return cmp.Or(cmp.Compare(readOnly(a), readOnly(b)), cmp.Compare(a.String(), b.String()))
	})
	q := question{key: grantKey{origin: origin}}
	for _, s := range sorted {
		q.scopes = append(q.scopes, s.String())
	}
	q.scopes = slices.Compact(q.scopes)
	q.key.scopes = strings.Join(q.scopes, " ")
	if len(sorted) > 0 {
		q.repository = sorted[0].Repository
	}
	return q
}

// readOnly is 1 for a scope that changes nothing, else 0.
func readOnly(s Scope) int {
	if strings.Contains(s.Actions, "push") || strings.Contains(s.Actions, "delete") {
		return 0
	}
	return 1
}

// String is what the question is about, for errors.
func (q question) String() string {
	if q.repository == "" {
		return q.key.origin.name()
	}
	return q.key.origin.name() + "/" + q.repository
}

// Do sends a request with the authorization that its scopes need. send is called with the value for the Authorization header, "" for none:
// once if that goes well, once more when the answer is 401, after its challenge was answered, and a third time when what was refused then is something
// that the keychain had kept (see [Forgetter]) and has anew; so it must be able to send thrice. It may run at the same time as the send of other
// calls. The credential is that of the first scope that changes something, or else of the first by name; no scopes ask for the registry itself.
//
// Every answer but a 401 is returned as it is, for the caller to close; errors of send are returned as they are. The last 401 is an error that is
// [ErrDenied], as are the refusal of a token server and a challenge for which no credential is known. Other errors are [ErrRealm], [ErrChallenge],
// those of the keychain, those of the connection to the token server, and *[ServerError] for what else that one answers. They don't say for
// which repository it was: the caller knows what it wanted there.
func (a *Authorizer) Do(ctx context.Context, origin Origin, scopes []Scope, send func(authorization string) (*http.Response, error)) (*http.Response, error) {
	q := newQuestion(origin, scopes)
	g, err := a.ready(ctx, q)
	if err != nil {
		return nil, err
	}
	forgot := false
	for try := 1; ; try++ {
		resp, err := send(g.header)
		if err != nil || resp.StatusCode != http.StatusUnauthorized {
			return resp, err
		}
		again := try == 1
		if !forgot && g.direct() && a.forget(g.cred) {
			forgot, again = true, true
		}
		if !again {
			a.grants.drop(q.key, g.is)
			return nil, g.refused(origin, resp)
		}
		if g, err = a.renew(ctx, q, g, resp); err != nil {
			return nil, err
		}
	}
}

// forget tells the keychain that a credential was refused.
func (a *Authorizer) forget(cred Credential) bool {
	f, ok := a.opts.Keychain.(Forgetter)
	return ok && !cred.Anonymous() && f.Forget(cred)
}

// refusesCredential reports whether a token server does not take what it was sent. ECR Public says 400 to a password that has expired.
func refusesCredential(err error) bool {
	var answer *ServerError
	return errors.As(err, &answer) && (errors.Is(err, ErrDenied) || answer.Status == http.StatusBadRequest)
}

// direct reports whether the grant is the credential itself, and not a token that was got for it.
func (g grant) direct() bool {
	return g.cred.RegistryToken != "" || strings.HasPrefix(g.header, "Basic ")
}

// is reports whether two grants send the same.
func (g grant) is(other grant) bool { return g.header == other.header }

// refused says that a registry did not take the grant. It closes the answer's body.
func (g grant) refused(origin Origin, resp *http.Response) error {
	err := error(newServerError(resp, origin.Host, g.cred, g.header))
	if g.broken != nil {
		return fmt.Errorf("%w; %w", err, g.broken)
	}
	return err
}

// ready returns what is known before a request is sent: a grant for its scopes, or one that is obtained by the challenge of an earlier one. If that is
// denied, the registry shall say itself what it wants.
func (a *Authorizer) ready(ctx context.Context, q question) (grant, error) {
	if g, ok := a.grants.peek(q.key); ok {
		return g, nil
	}
	a.mu.Lock()
	ch, ok := a.challenges[q.key.origin]
	a.mu.Unlock()
	if !ok {
		return grant{}, context.Cause(ctx)
	}
	g, err := a.obtain(ctx, q, ch)
	if errors.Is(err, ErrDenied) {
		return grant{}, nil
	}
	return g, err
}

// renew answers the challenge of a 401 to what old was sent with. It closes the answer's body.
func (a *Authorizer) renew(ctx context.Context, q question, old grant, resp *http.Response) (grant, error) {
	ch := choose(parseChallenges(resp.Header.Values("Www-Authenticate")))
	if ch.scheme == "" {
		ch = a.ping(ctx, q.key.origin, ch)
	}
	a.grants.drop(q.key, old.is)
	g, err := a.obtain(ctx, q.with(ch), ch)
	if err == nil && old.header != "" && g.is(old) {
		err = old.refused(q.key.origin, resp) // to send it again could lock an account
	}
	discard(resp)
	if err != nil {
		return grant{}, err
	}
	if ch.scheme != "" {
		a.mu.Lock()
		a.challenges[q.key.origin] = ch
		a.mu.Unlock()
	}
	return g, nil
}

// with adds the actions that a challenge asks for in repositories of the question: Azure's wants metadata_read where others want pull.
// Other repositories are none of the registry's business.
func (q question) with(ch challenge) question {
	q.scopes = slices.Clone(q.scopes)
	for _, asked := range strings.Fields(ch.params["scope"]) {
		for i, own := range q.scopes {
			start := strings.LastIndexByte(own, ':') + 1
			actions, ok := strings.CutPrefix(asked, own[:start])
			if !ok || strings.Contains(actions, ":") {
				continue
			}
			repository := strings.TrimPrefix(own[:start-1], "repository:")
			q.scopes[i] = Scope{Repository: repository, Actions: own[start:] + "," + actions}.String()
		}
	}
	return q
}

// obtain gets a grant for a question by a challenge, once for all who ask at the same time.
func (a *Authorizer) obtain(ctx context.Context, q question, ch challenge) (grant, error) {
	return a.grants.get(ctx, q.key, func(ctx context.Context) (grant, time.Time, error) {
		cred, broken, err := a.credential(ctx, q)
		if err != nil {
			return grant{}, time.Time{}, err
		}
		header, until, err := a.answer(ctx, q, ch, cred)
		if refusesCredential(err) && a.forget(cred) {
			if now, _, failed := a.credential(ctx, q); failed == nil && now != cred { // the same once more could lock an account
				cred = now
				header, until, err = a.answer(ctx, q, ch, cred)
			}
		}
		if err != nil && broken != nil {
			err = fmt.Errorf("%w; %w", err, broken)
		}
		return grant{header: header, cred: cred, broken: broken}, until, err
	})
}

// credential asks the keychain. A source that does not work is not the end, see the package.
func (a *Authorizer) credential(ctx context.Context, q question) (cred Credential, broken, err error) {
	cred, err = a.opts.Keychain.Credential(ctx, canonicalHost(q.key.origin.name()), q.repository)
	if errors.Is(err, ErrUnavailable) && ctx.Err() == nil {
		cred, broken, err = Credential{}, err, nil
	}
	if cred.Anonymous() {
		cred = Credential{Source: anonymousSource}
	}
	return cred, broken, err
}

// answer makes the header that a challenge wants of a credential.
func (a *Authorizer) answer(ctx context.Context, q question, ch challenge, cred Credential) (string, time.Time, error) {
	if cred.RegistryToken != "" {
		if !headerSafe(cred.RegistryToken) {
			return "", time.Time{}, fmt.Errorf("the token of the %s has characters that cannot be sent", cred)
		}
		return "Bearer " + cred.RegistryToken, time.Time{}, nil
	}
	if ch.scheme == "basic" {
		user, password, ok := cred.basic()
		if !ok {
			return "", time.Time{}, fmt.Errorf("%w: the registry asks for a user and a password, and no credential is known for it", ErrDenied)
		}
		return "Basic " + encodeBasic(user, password), time.Time{}, nil
	}
	t, err := a.tokenRequest(q, ch, cred)
	if err != nil {
		return "", time.Time{}, err
	}
	start := a.opts.Now()
	answer, err := t.token(ctx)
	return "Bearer " + answer.token, answer.until(start), err
}

// tokenRequest is the request for the token that a challenge wants, if the credential may go there.
func (a *Authorizer) tokenRequest(q question, ch challenge, cred Credential) (*tokenRequest, error) {
	if ch.scheme == "" {
		return nil, ch.bad
	}
	realm, err := parseRealm(q.key.origin, ch.params["realm"])
	if err == nil && !cred.Anonymous() {
		err = prefix(vetRealm(q.key.origin, realm, a.opts.AllowRealm), "%s", cred)
	}
	if err != nil {
		return nil, err
	}
	return &tokenRequest{
		realm: realm, service: ch.params["service"], scopes: q.scopes, cred: cred, client: a.opts.Client, now: a.opts.Now, refreshes: a.refreshes,
	}, nil
}
