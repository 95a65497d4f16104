package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// maxTokenAnswer bounds a token server's answer in bytes; the tokens themselves have to fit into a header.
	maxTokenAnswer = 64 << 10
	// minTokenLife is how long a token lives at least, and if its server does not say ("60 seconds" in the token specification).
	minTokenLife = time.Minute
	// maxTokenLife keeps nonsense out of the arithmetic.
	maxTokenLife = 10 * 365 * 24 * time.Hour
	// tokenLeeway is how long before its end a token is not used any more, or a quarter of its life if that is less.
	tokenLeeway = 30 * time.Second
	// clientID is sent where OAuth2 asks for one.
	clientID = "imgscript"
)

// tokenRequest asks one realm for one token.
type tokenRequest struct {
	realm   *url.URL
	service string
	scopes  []string
	cred    Credential
	login   bool // ask for an identity token, too
	client  *http.Client
	now     func() time.Time
	// refreshes keeps the refresh tokens that were got for access tokens of Microsoft Entra ID.
	refreshes *memo[exchangeKey, string]
}

// token gets a token.
func (t *tokenRequest) token(ctx context.Context) (tokenAnswer, error) {
	resp, err := t.send(ctx)
	if err != nil {
		return tokenAnswer{}, err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return tokenAnswer{}, t.refused(resp)
	}
	defer resp.Body.Close()
	answer, err := readTokenAnswer(resp.Body)
	if err != nil {
		return tokenAnswer{}, fmt.Errorf("token server %s: %w", redactURL(t.realm), err)
	}
	return answer, nil
}

// send posts an identity token, and gets where that is not what the server knows: Docker Hub, Azure (400), Google (404) and Artifactory (401)
// have all been seen to refuse POST and to take the same credential by GET.
func (t *tokenRequest) send(ctx context.Context) (*http.Response, error) {
	var err error
	if t.cred, err = t.exchanged(ctx); err != nil {
		return nil, err
	}
	if t.cred.IdentityToken == "" {
		return t.get(ctx)
	}
	resp, err := t.post(ctx)
	if err != nil {
		return nil, err
	}
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusNotFound, http.StatusMethodNotAllowed:
		discard(resp)
		return t.get(ctx)
	}
	return resp, nil
}

// get asks as https://distribution.github.io/distribution/spec/auth/token/ has it: one parameter for each scope.
func (t *tokenRequest) get(ctx context.Context) (*http.Response, error) {
	u := *t.realm
	query := u.Query() // what the realm has of its own is kept
	if t.service != "" {
		query.Set("service", t.service)
	}
	for _, s := range t.scopes {
		query.Add("scope", s)
	}
	client := sameHostRedirects(t.client)
	user, password, ok := t.cred.basic()
	if t.login {
		query.Set("offline_token", "true")
		query.Set("client_id", clientID)
	}
	if ok {
		query.Set("account", user)
		client = withoutRedirects(t.client)
	}
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, requestError(t.realm, err)
	}
	if ok {
		req.SetBasicAuth(user, password)
	}
	return t.do(client, req)
}

// post asks as https://distribution.github.io/distribution/spec/auth/oauth/ has it.
func (t *tokenRequest) post(ctx context.Context) (*http.Response, error) {
	form := url.Values{
		"grant_type":    {"refresh_token"},
		"refresh_token": {t.cred.IdentityToken},
		"service":       {t.service},
		"client_id":     {clientID},
		"scope":         {strings.Join(t.scopes, " ")},
	}
	return t.postForm(ctx, form)
}

func (t *tokenRequest) postForm(ctx context.Context, form url.Values) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.realm.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, requestError(t.realm, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return t.do(withoutRedirects(t.client), req)
}

func (t *tokenRequest) do(client *http.Client, req *http.Request) (*http.Response, error) {
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("token server %w", requestError(t.realm, err))
	}
	return resp, nil
}

func (t *tokenRequest) refused(resp *http.Response) error {
	err := newServerError(resp, t.realm.Host, t.cred, "")
	if resp.StatusCode >= 300 && resp.StatusCode <= 399 {
		err.Message = "a redirect, which is not followed"
	}
	return fmt.Errorf("token server %s: %w", redactURL(t.realm), err)
}

// tokenAnswer is a token and how long it lives from its issue on.
type tokenAnswer struct {
	token   string
	refresh string // an identity token, if the server gives one
	life    time.Duration
	issued  time.Time // zero if the server does not say
}

// tokenBody is what token servers write. expires_in may be a number or a string, or be left out.
type tokenBody struct {
	Token        string          `json:"token"`
	AccessToken  string          `json:"access_token"` // as OAuth2 calls it
	RefreshToken string          `json:"refresh_token"`
	ExpiresIn    json.RawMessage `json:"expires_in"`
	IssuedAt     string          `json:"issued_at"`
}

// readTokenBody reads a token server's answer. Its errors repeat nothing of that.
func readTokenBody(r io.Reader) (tokenBody, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxTokenAnswer+1))
	if err != nil {
		return tokenBody{}, fmt.Errorf("read its answer: %w", err)
	}
	if len(data) > maxTokenAnswer {
		return tokenBody{}, fmt.Errorf("its answer has more than %d bytes", maxTokenAnswer)
	}
	var body tokenBody
	if json.Unmarshal(data, &body) != nil {
		return tokenBody{}, errors.New("its answer is not the JSON of a token")
	}
	return body, nil
}

// readTokenAnswer reads an answer that has to have a token.
func readTokenAnswer(r io.Reader) (tokenAnswer, error) {
	body, err := readTokenBody(r)
	if err != nil {
		return tokenAnswer{}, err
	}
	answer := tokenAnswer{token: body.Token, refresh: body.RefreshToken, life: tokenLife(body.ExpiresIn)}
	if answer.token == "" {
		answer.token = body.AccessToken
	}
	answer.issued, _ = time.Parse(time.RFC3339, body.IssuedAt) // what is no time is not said
	if !headerSafe(answer.token) {
		return tokenAnswer{}, errors.New("its answer has no token that could be sent")
	}
	return answer, nil
}

// headerSafe reports whether a text can be a token in a header: visible ASCII, at least one character.
func headerSafe(token string) bool {
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return false
		}
	}
	return token != ""
}

func tokenLife(expiresIn json.RawMessage) time.Duration {
	seconds, err := strconv.ParseFloat(strings.Trim(string(expiresIn), `"`), 64)
	if err != nil || math.IsNaN(seconds) || seconds < minTokenLife.Seconds() {
		return minTokenLife
	}
	return time.Duration(min(seconds, maxTokenLife.Seconds()) * float64(time.Second))
}

// until is the time until which to use a token that was asked for at start. An issue in the past (a server may hand out one token twice) makes
// it end earlier, but never before the least life: the server's clock may be the wrong one, and a 401 puts right what is not.
func (a tokenAnswer) until(start time.Time) time.Time {
	end := start.Add(a.life)
	if !a.issued.IsZero() && a.issued.Before(start) {
		end = a.issued.Add(a.life)
	}
	if least := start.Add(minTokenLife); end.Before(least) {
		end = least
	}
	return end.Add(-min(tokenLeeway, end.Sub(start)/4))
}
