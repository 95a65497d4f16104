package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/content"
)

var (
	// ErrDenied says that a registry refused us: no credentials, wrong ones, or ones without the right. It is the one of core/auth.
	ErrDenied = auth.ErrDenied
	// ErrUnreachable says that a registry gave no usable answer: it is down, unknown, cut off, silent, or not to be trusted.
	ErrUnreachable = errors.New("registry unreachable")
)

// Error is a request that failed for good. It is [content.ErrNotFound] for a 404, [ErrDenied] for a 401 or 403 of the registry itself and where
// credentials can't be sent, [content.ErrUnsupported] for a 405 or 501, [content.ErrIncomplete] for a manifest that names what is not there, and [ErrUnreachable] where the network failed, or refused was by
// somebody else than the registry, who is sent no credentials; errors.Is
// finds the reasons below it too, such as [content.ErrVerification] and those of a context.
type Error struct {
	Op         string        // what was being done: "push"
	Repository string        // where: "host/name"
	Subject    string        // to what: "blob sha256:…"; may be empty
	Method     string        // of the request that failed
	URL        string        // of it, without what may be secret
	Status     int           // of the answer; 0 when there was none
	Codes      []Code        // the spec's errors in the answer, at most 3
	Text       string        // the start of an answer that does not follow the spec
	RetryAfter time.Duration // how long the registry asks to wait; 0 when it doesn't
	Quota      string        // of a 429: how many requests the registry still allows, if it tells
	Tries      int           // how often it was tried; 0 and 1 are once
	Err        error         // the reason where it isn't the status
	Mirrors    []error       // why none of the mirrors that were asked before served it

	stranger bool // it was somebody else than the registry who answered
}

// Code is one error as a registry reports it (distribution-spec, "Error Codes"), each text cut to what a message can bear. The texts are
// the registry's own: quote them.
type Code struct {
	Code, Message, Detail string
}

// Is implements the promises above.
func (e *Error) Is(target error) bool {
	switch target {
	case content.ErrNotFound:
		return e.Status == http.StatusNotFound
	case ErrDenied:
		return !e.stranger && e.refused() ||
			errors.Is(e.Err, auth.ErrChallenge) || errors.Is(e.Err, auth.ErrRealm)
	case content.ErrUnsupported:
		return e.Status == http.StatusMethodNotAllowed || e.Status == http.StatusNotImplemented || e.Has("UNSUPPORTED")
	case content.ErrIncomplete:
		return e.Method == http.MethodPut && e.Has("MANIFEST_BLOB_UNKNOWN", "MANIFEST_UNKNOWN")
	case ErrUnreachable:
		return e.Status == 0 && isNetwork(e.Err) || e.stranger && e.refused()
	}
	return false
}

func (e *Error) refused() bool {
	return e.is(http.StatusUnauthorized, http.StatusForbidden)
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// Has reports whether the registry named one of these error codes of the spec, such as "MANIFEST_BLOB_UNKNOWN".
func (e *Error) Has(codes ...string) bool {
	return slices.ContainsFunc(e.Codes, func(c Code) bool { return slices.Contains(codes, c.Code) })
}

// is reports whether the answer had one of these statuses.
func (e *Error) is(statuses ...int) bool { return slices.Contains(statuses, e.Status) }

// Error says it in one line: what was done to what, why it failed, and at the end the request, for those who look into it.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op + " " + e.Repository + ": ")
	if e.Subject != "" {
		b.WriteString(e.Subject + ": ")
	}
	b.WriteString(e.reason())
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, "; the registry asks to wait %s", e.RetryAfter)
	}
	if e.Quota != "" {
		b.WriteString("; " + e.Quota)
	}
	var request []string
	if e.Method != "" {
		request = append(request, e.Method+" "+shortDigests(e.URL))
	}
	if e.Tries > 1 {
		request = append(request, fmt.Sprintf("%d tries", e.Tries))
	}
	if len(request) > 0 {
		b.WriteString(" (" + strings.Join(request, ", ") + ")")
	}
	for _, err := range worthShowing(e.Mirrors) {
		b.WriteString("; its mirror: " + err.Error())
	}
	return b.String()
}

var digestPattern = regexp.MustCompile(`(sha256|sha512):([0-9a-f]{12})[0-9a-f]{20,}`)

// shortDigests cuts the digests in a URL, which the subject of an error has in full.
func shortDigests(u string) string { return digestPattern.ReplaceAllString(u, "$1:$2…") }

func (e *Error) reason() string {
	if e.Status == 0 {
		text := printable(e.Err.Error())
		if hint := certificateHint(e.Err); hint != "" {
			text += "; " + hint
		}
		return text
	}
	var parts []string
	for _, c := range e.Codes {
		parts = append(parts, c.String())
	}
	if e.Text != "" {
		parts = append(parts, quote(e.Text))
	}
	if e.Err != nil {
		parts = append(parts, printable(e.Err.Error()))
	}
	text := strconv.Itoa(e.Status)
	if len(e.Codes) == 0 {
		text += " " + strings.ToLower(http.StatusText(e.Status))
		if len(parts) > 0 {
			text += ":"
		}
	}
	if hint := e.hint(); hint != "" {
		parts = append(parts, hint)
	}
	return strings.TrimSpace(text + " " + strings.Join(parts, "; "))
}

// hint says what a user can do about it, where the registry doesn't.
func (e *Error) hint() string {
	switch {
	case e.Op == "push" && e.Has("NAME_UNKNOWN"):
		return "this registry wants the repository to be created before something is pushed to it"
	case e.Has("MANIFEST_BLOB_UNKNOWN"):
		return "the registry does not have all the blobs that the manifest names"
	}
	return ""
}

var codePattern = regexp.MustCompile(`^[A-Z][A-Z_]{0,39}$`)

// String returns the code in words, and what the message and the detail say beyond it, quoted. "manifest unknown" is all that registries have to say
// of one, and the detail of such an error is what was asked for.
func (c Code) String() string {
	if !codePattern.MatchString(c.Code) {
		return strings.Join(appendNew([]string{quote(c.Code)}, c.Message, c.Detail), ": ")
	}
	text := strings.ToLower(strings.ReplaceAll(c.Code, "_", " "))
	if strings.HasSuffix(c.Code, "_UNKNOWN") && strings.HasPrefix(c.Detail, "{") {
		c.Detail = ""
	}
	if strings.EqualFold(c.Message, text) {
		c.Message = ""
	}
	return strings.Join(appendNew([]string{text}, c.Message, c.Detail), ": ")
}

// appendNew appends texts that say something, quoted.
func appendNew(parts []string, texts ...string) []string {
	for _, text := range texts {
		if text != "" {
			parts = append(parts, quote(text))
		}
	}
	return parts
}

// reporter makes an *Error of every answer that is no success, and of every failure to get one.
type reporter struct {
	next sender
	now  func() time.Time
}

func (r *reporter) send(ctx context.Context, req *request) (*http.Response, error) {
	resp, err := r.next.send(ctx, req)
	if err != nil {
		e := req.failed(err)
		var token *auth.ServerError
		if errors.As(err, &token) {
			e.RetryAfter = parseRetryAfter(token.RetryAfter, r.now())
		}
		return nil, e
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	e := req.failed(nil)
	if resp.Request != nil {
		e.URL = redact(resp.Request.URL)
		e.stranger = req.foreign || !req.host.serves(resp.Request.URL)
	}
	e.Status = resp.StatusCode
	e.RetryAfter = parseRetryAfter(resp.Header.Get("Retry-After"), r.now())
	if resp.StatusCode == http.StatusTooManyRequests {
		e.Quota = quotaOf(resp.Header)
	}
	e.read(resp)
	discard(resp)
	return nil, e
}

// failed returns the error of this request for a reason.
func (r *request) failed(err error) *Error {
	u := *r.url
	if u.Scheme == "" {
		u.Scheme = r.host.knownScheme()
	}
	return &Error{Op: r.op, Repository: r.repository, Subject: r.subject, Method: r.method, URL: redact(&u), Err: err}
}

const (
	maxErrorBody = 8 << 10 // bytes of an answer's body that are read for its error
	maxCodes     = 3       // errors of an answer that are shown
	maxText      = 300     // bytes of one text in it
)

// read takes the reason from the body of an answer.
func (e *Error) read(resp *http.Response) {
	data, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what came before it broke off is worth showing
	var secrets []string
	if resp.Request != nil {
		secrets = secretsOf(resp.Request.Header)
	}
	e.readBytes(data, secrets...)
}

// readBytes takes the texts from the body of an answer, without the secrets: some registries repeat what they were sent.
func (e *Error) readBytes(data []byte, secrets ...string) {
	show := func(text string) string { return cut(auth.Scrub(text, secrets...)) }
	var body struct {
		Errors []struct {
			Code    string          `json:"code"`
			Message string          `json:"message"`
			Detail  json.RawMessage `json:"detail"`
		} `json:"errors"`
	}
	if json.Unmarshal(data, &body) != nil || len(body.Errors) == 0 {
		e.Text = show(strings.TrimSpace(string(data)))
		return
	}
	for _, one := range body.Errors[:min(len(body.Errors), maxCodes)] {
		detail := ""
		if json.Unmarshal(one.Detail, &detail) != nil && len(one.Detail) > 0 && string(one.Detail) != "null" {
			detail = string(one.Detail)
		}
		e.Codes = append(e.Codes, Code{show(one.Code), show(one.Message), show(detail)})
	}
}

// secretsOf are the texts by which the credential of a request could be known: what was sent, and the password in it.
func secretsOf(header http.Header) []string {
	_, sent, _ := strings.Cut(header.Get("Authorization"), " ")
	if _, password, ok := (&http.Request{Header: header}).BasicAuth(); ok {
		return []string{sent, password}
	}
	return []string{sent}
}

// discard reads what is left of an answer, if that is little, so that its connection can be used again, and closes it.
func discard(resp *http.Response) {
	io.Copy(io.Discard, io.LimitReader(resp.Body, maxErrorBody))
	resp.Body.Close()
}

func cut(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "…"
}

// quote shows a text of somebody else: cut, in quotes, what a terminal would obey escaped.
func quote(s string) string { return strconv.Quote(cut(s)) }

// printable is quote without the quotes, for texts that are mostly ours.
func printable(s string) string {
	q := strconv.Quote(s)
	return strings.ReplaceAll(strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`), `\\`, `\`)
}

// shown are the query parameters that we make ourselves and that are no secret. What else a query holds may be a signature or a token.
var shown = []string{"digest", "mount", "from", "n", "last", "artifactType"}

// redact returns u as it may be shown: no user, and of the query only what is known to be harmless. An upload's path is its only key, so
// its end is cut.
func redact(u *url.URL) string {
	c := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	text := strings.TrimPrefix(printable(c.String()), "//") // a scheme that is not known yet
	if start, _, found := strings.Cut(text, "/blobs/uploads/"); found {
		text = start + "/blobs/uploads/…"
		if strings.HasSuffix(u.Path, "/blobs/uploads/") {
			text = start + "/blobs/uploads/"
		}
	}
	var query []string
	for key, values := range u.Query() {
		for _, value := range values {
			switch {
			case slices.Contains(shown, key):
				query = append(query, key+"="+printable(value))
			case value == "": // "?s3cr3t": what looks like a name is all there is
				query = append(query, "…")
			default:
				query = append(query, url.QueryEscape(key)+"=…")
			}
		}
	}
	if len(query) > 0 {
		slices.Sort(query)
		text += "?" + strings.Join(query, "&")
	}
	return text
}
