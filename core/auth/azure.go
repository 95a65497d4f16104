package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// azureTokenPath is how the paths of the token servers of Azure's registries end, and azureExchangePath where they take access tokens of
	// Microsoft Entra ID (https://azure.github.io/acr/AAD-OAuth.html).
	azureTokenPath    = "/oauth2/token"
	azureExchangePath = "/oauth2/exchange"
	// azureRefreshLife is how long a refresh token is used that was got for an access token; it is good for three hours.
	azureRefreshLife = time.Hour
)

// exchangeKey names a refresh token: the server that gave it, and what was given for it.
type exchangeKey struct {
	realm string
	token [sha256.Size]byte
}

// entraToken returns the access token of Microsoft Entra ID that a credential has where Azure's registries want one of their refresh tokens, and the
// tenant that it is of; "" if it has none. Such a token is a JWT with a tenant ID, and none that says that it is a refresh token.
func (c Credential) entraToken() (token, tenant string) {
	token = c.IdentityToken
	if token == "" && c.Username == zeroUser {
		token = c.Password
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", ""
	}
	var claims struct {
		Tenant string `json:"tid"`
		Grant  string `json:"grant_type"`
	}
	if json.Unmarshal(payload, &claims) != nil || claims.Tenant == "" || claims.Grant == "refresh_token" {
		return "", ""
	}
	return token, claims.Tenant
}

// exchanged returns the credential with a refresh token in the place of an access token of Microsoft Entra ID, if that is what it has and the realm
// is one that exchanges them.
func (t *tokenRequest) exchanged(ctx context.Context) (Credential, error) {
	token, tenant := t.cred.entraToken()
	if token == "" || !strings.HasSuffix(t.realm.Path, azureTokenPath) {
		return t.cred, nil
	}
	key := exchangeKey{t.realm.String(), sha256.Sum256([]byte(token))}
	refresh, err := t.refreshes.get(ctx, key, func(ctx context.Context) (string, time.Time, error) {
		refresh, err := t.exchange(ctx, token, tenant)
		return refresh, t.now().Add(azureRefreshLife), err
	})
	if err != nil {
		return Credential{}, err
	}
	return Credential{Username: t.cred.Username, IdentityToken: refresh, Source: t.cred.Source}, nil
}

// exchange gets a refresh token for an access token of Microsoft Entra ID.
func (t *tokenRequest) exchange(ctx context.Context, token, tenant string) (string, error) {
	at := *t.realm
	at.Path, at.RawQuery = strings.TrimSuffix(at.Path, azureTokenPath)+azureExchangePath, ""
	server := *t
	server.realm = &at // for errors
	resp, err := server.postForm(ctx, url.Values{
		"grant_type":   {"access_token"},
		"service":      {t.service},
		"tenant":       {tenant},
		"access_token": {token},
	})
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", server.refused(resp)
	}
	defer resp.Body.Close()
	body, err := readTokenBody(resp.Body)
	if err == nil && !headerSafe(body.RefreshToken) {
		err = errors.New("its answer has no refresh token")
	}
	if err != nil {
		return "", fmt.Errorf("token server %s: %w", redactURL(&at), err)
	}
	return body.RefreshToken, nil
}
