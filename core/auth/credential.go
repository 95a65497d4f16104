package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// anonymousSource is the Source of a credential that stands for none.
const anonymousSource = "anonymous"

// zeroUser is the user name that Azure's registries give together with an identity token, and take with one as password.
const zeroUser = "00000000-0000-0000-0000-000000000000"

// tokenUser is the user name by which helpers say that a secret is an identity token.
const tokenUser = "<token>"

// Credential is what one source knows for one repository. The zero value is anonymous. RegistryToken goes before IdentityToken, that
// before Username and Password. It never prints, logs or encodes its secrets; whoever needs them reads the fields.
type Credential struct {
	// Username and Password are for Basic, and for a token server's GET.
	Username, Password string
	// IdentityToken is an OAuth2 refresh token, which is exchanged for access tokens.
	IdentityToken string
	// RegistryToken is sent to the registry as Bearer, as it is.
	RegistryToken string
	// Source says where the credential came from: "auth map", "docker config PATH", "podman auth file PATH",
	// "credential helper docker-credential-NAME", "google default credentials", "anonymous".
	Source string
}

// Anonymous reports whether there is nothing to send.
func (c Credential) Anonymous() bool {
	return c.Username == "" && c.Password == "" && c.IdentityToken == "" && c.RegistryToken == ""
}

// Kind returns "anonymous", "basic", "identity token" or "bearer".
func (c Credential) Kind() string {
	switch {
	case c.RegistryToken != "":
		return "bearer"
	case c.IdentityToken != "":
		return "identity token"
	case c.Anonymous():
		return "anonymous"
	default:
		return "basic"
	}
}

// String describes the credential without its secrets: `basic credential of "bob" from auth map`.
func (c Credential) String() string {
	if c.Anonymous() {
		return "no credential"
	}
	text := c.Kind() + " credential"
	if c.Username != "" {
		text += fmt.Sprintf(" of %q", c.Username)
	}
	if c.Source != "" {
		text += " from " + c.Source
	}
	return text
}

// GoString is String.
func (c Credential) GoString() string { return c.String() }

// Format writes String for every verb, so that none shows the fields.
func (c Credential) Format(s fmt.State, verb rune) { formatText(s, verb, c.String()) }

// MarshalJSON encodes kind, username and source.
func (c Credential) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"kind": c.Kind(), "username": c.Username, "source": c.Source})
}

// MarshalText is String: other encoders ask for it.
func (c Credential) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// LogValue logs kind, username and source.
func (c Credential) LogValue() slog.Value {
	return slog.GroupValue(slog.String("kind", c.Kind()), slog.String("username", c.Username), slog.String("source", c.Source))
}

// opaque hides what embeds it from fmt, which looks into unexported fields without asking the values there how they print.
type opaque struct{}

// Format writes no field, whatever the verb.
func (opaque) Format(s fmt.State, verb rune) { formatText(s, verb, "(auth)") }

func formatText(s fmt.State, verb rune, text string) {
	if verb == 'q' {
		text = fmt.Sprintf("%q", text)
	}
	io.WriteString(s, text)
}

// basic returns what is sent as user and password, if anything can be. An identity token stands in for a password, as Azure's
// registries take it; nobody else's answer gets worse by it.
func (c Credential) basic() (user, password string, ok bool) {
	if c.IdentityToken == "" {
		return c.Username, c.Password, c.Username != "" || c.Password != ""
	}
	if c.Username == "" {
		return zeroUser, c.IdentityToken, true
	}
	return c.Username, c.IdentityToken, true
}

// secrets are the texts by which the credential could be known, as it is and as Basic sends it.
func (c Credential) secrets() []string {
	all := []string{c.Password, c.IdentityToken, c.RegistryToken}
	if user, password, ok := c.basic(); ok {
		all = append(all, encodeBasic(user, password))
	}
	return all
}

func encodeBasic(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

// fromPair makes a credential of a user name and a secret as helpers and config files have them: the user "<token>" marks an
// identity token (docker-credential-helpers, Azure's registries).
func fromPair(username, secret, source string) Credential {
	if username == tokenUser {
		return Credential{IdentityToken: secret, Source: source}
	}
	return Credential{Username: username, Password: secret, Source: source}
}

// Keychain knows credentials. host is the registry as users write it, with its port if it has one: "docker.io",
// "localhost:5000"; repository is the full name below it, "library/node", or "" for the registry itself. The zero Credential and a nil error
// mean that nothing is known here. Its methods are called by many goroutines at once and return soon after ctx ends.
type Keychain interface {
	Credential(ctx context.Context, host, repository string) (Credential, error)
}

// Forgetter is a keychain that keeps answers for a while: those of helpers, access tokens. An [Authorizer] tells it when one is refused.
type Forgetter interface {
	// Forget drops a refused credential if it is kept, and reports whether it was: then asking once more may bring a better one.
	Forget(cred Credential) bool
}

// ErrUnavailable marks the error of a source that is not meant for one host in particular and does not work: what it would have known
// is not known, and others may be asked.
var ErrUnavailable = errors.New("source of credentials does not work")

// Chain asks keychains in order and returns what the first that knows something says. An error ends the search, except [ErrUnavailable], which is
// returned when no later keychain knows anything. nil keychains are left out; none at all knows nothing.
func Chain(keychains ...Keychain) Keychain {
	c := &chain{}
	for _, k := range keychains {
		if k != nil {
			c.keychains = append(c.keychains, k)
		}
	}
	return c
}

type chain struct {
	opaque
	keychains []Keychain
}

// Credential implements Keychain.
func (c *chain) Credential(ctx context.Context, host, repository string) (Credential, error) {
	var unavailable error
	for _, k := range c.keychains {
		cred, err := k.Credential(ctx, host, repository)
		switch {
		case errors.Is(err, ErrUnavailable) && ctx.Err() == nil:
			unavailable = errors.Join(unavailable, err)
		case err != nil:
			return Credential{}, err
		case !cred.Anonymous():
			return cred, nil
		}
	}
	return Credential{}, unavailable
}

// Forget implements Forgetter.
func (c *chain) Forget(cred Credential) bool {
	forgot := false
	for _, k := range c.keychains {
		if f, ok := k.(Forgetter); ok && f.Forget(cred) {
			forgot = true
		}
	}
	return forgot
}
