package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"
)

var (
	// ErrDenied says that a registry or a token server refused: it wants a credential and none is known, or the one that is known is not
	// enough (401 and 403). Trying again is of no use.
	ErrDenied = errors.New("access denied")
	// ErrRealm says that a registry names a token server to which credentials are not sent.
	ErrRealm = errors.New("credentials are not sent to this token server")
	// ErrChallenge says that a registry refused without a challenge that can be answered.
	ErrChallenge = errors.New("no challenge that can be answered")
)

const (
	// maxErrorBody bounds in bytes what is read of an answer that is an error.
	maxErrorBody = 8 << 10
	// maxMessage bounds in bytes what is shown of it.
	maxMessage = 1 << 10
)

// ServerError is the answer of a registry or a token server that is not what was asked for. It is [ErrDenied] when the status is 401 or 403.
type ServerError struct {
	Server     string // host of who answered
	Status     int    // HTTP status code
	RetryAfter string // the header of that name, as it came
	Message    string // what the body says, at most 1 KiB, without secrets; control characters are not escaped
	Credential string // what was used, without secrets: Credential.String
}

// Error implements error.
func (e *ServerError) Error() string {
	text := fmt.Sprintf("%q answers %d", e.Server, e.Status)
	if e.Message != "" {
		text += fmt.Sprintf(": %q", e.Message)
	}
	if e.Credential != "" {
		text += " (" + e.Credential + ")"
	}
	return text
}

// Is makes a refusal an ErrDenied.
func (e *ServerError) Is(target error) bool {
	return target == ErrDenied && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden)
}

// newServerError reads the start of the answer's body, which it closes.
func newServerError(resp *http.Response, server string, cred Credential, header string) *ServerError {
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what came is shown
	_, sent, _ := strings.Cut(header, " ")
	return &ServerError{
		Server:     server,
		Status:     resp.StatusCode,
		RetryAfter: resp.Header.Get("Retry-After"),
		Message:    quotable(scrub(errorText(body), append(cred.secrets(), sent)...)),
		Credential: cred.String(),
	}
}

// errorText is what an error's body says: the errors of registries and of OAuth2 servers are JSON with one or many messages, others send text or HTML.
func errorText(body []byte) string {
	var e struct {
		Errors []struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"errors"`
		Details     string `json:"details"`
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(body, &e) != nil {
		return strings.TrimSpace(string(body))
	}
	parts := []string{}
	for _, one := range e.Errors {
		parts = append(parts, strings.TrimSpace(one.Code+" "+one.Message))
	}
	parts = append(parts, e.Details, e.Error, e.Description)
	text := strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
	if text == "" {
		return strings.TrimSpace(string(body))
	}
	return text
}

// Anything of this shape is a token, whoever's it is (RFC 7519).
var jwtPattern = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?`)

// scrub takes secrets out of a text that somebody else wrote. Very short ones stay: they would only make the text unreadable, and
// show where they were.
func scrub(text string, secrets ...string) string {
	for _, s := range secrets {
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s)} {
			if len(form) > 3 {
				text = strings.ReplaceAll(text, form, "<redacted>")
			}
		}
	}
	return jwtPattern.ReplaceAllString(text, "<redacted>")
}

// quotable cuts a text of somebody else's to what an error can bear; it is printed with %q.
func quotable(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	cut := maxMessage
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// redactURL is a URL without user, query and fragment.
func redactURL(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// requestError replaces the URL in an error of http.Client, which has the whole query.
func requestError(u *url.URL, err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		err = e.Err
	}
	return fmt.Errorf("%s: %w", redactURL(u), err)
}
