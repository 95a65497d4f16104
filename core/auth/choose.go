package auth

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// choose picks the challenge to answer: Bearer before Basic, as it does not show the password to the registry. If there is none, the
// result's scheme is "" and bad says why.
func choose(all []challenge) challenge {
	for _, scheme := range []string{"bearer", "basic"} {
		for _, c := range all {
			if c.scheme == scheme && (scheme == "basic" || c.params["realm"] != "") {
				return c
			}
		}
	}
	if len(all) == 0 {
		return challenge{bad: ErrChallenge}
	}
	var schemes []string
	for _, c := range all {
		schemes = append(schemes, c.scheme)
	}
	return challenge{bad: fmt.Errorf("%w: offered is %q, supported are Basic, and Bearer with a realm", ErrChallenge, quotable(strings.Join(schemes, ", ")))}
}

// ping asks the registry's base for a challenge that an answer did not have: Google's registries are known to leave it out elsewhere. If there is none
// either, the first says why.
func (a *Authorizer) ping(ctx context.Context, origin Origin, first challenge) challenge {
	u := &url.URL{Scheme: origin.Scheme, Host: origin.Host, Path: "/v2/"}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return challenge{bad: requestError(u, err)}
	}
	resp, err := withoutRedirects(a.opts.Client).Do(req)
	if err != nil {
		return challenge{bad: requestError(u, err)}
	}
	defer discard(resp)
	if resp.StatusCode != http.StatusUnauthorized {
		return first
	}
	if c := choose(parseChallenges(resp.Header.Values("Www-Authenticate"))); c.scheme != "" {
		return c
	}
	return first
}

// discard reads what is left of a small body, so that its connection can be used again, and closes it.
func discard(resp *http.Response) {
	io.Copy(io.Discard, io.LimitReader(resp.Body, maxErrorBody))
	resp.Body.Close()
}
