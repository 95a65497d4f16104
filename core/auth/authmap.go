package auth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

const mapSource = "auth map"

// Map is the auth map of a script. Keys are "host" or "host/path"; the key with the longest match by whole components wins
// ("us.gcr.io/project2" before "us.gcr.io"), never one that is a mere substring. Docker Hub goes by docker.io, index.docker.io,
// registry-1.docker.io and "https://index.docker.io/v1/". For the hosts of Google's Container Registry the keys "any.gcr.io" and "gcr.io" come
// after those of the host itself, as users of the JavaScript library know it.
type Map map[string]Entry

// Entry is what an auth map has for one key: one of Token, Username with Secret, Credentials, KeyFilename. The zero Entry says nothing:
// the next source is asked. It never prints, logs or encodes its secrets.
type Entry struct {
	// Token is sent as Bearer, as it is.
	Token string
	// Username and Secret are used for Basic and for a token server. The user "<token>" says that Secret is an identity token.
	Username, Secret string
	// ReadSecret gives the Secret of Username when it is needed, each time; nil where Secret has it.
	ReadSecret func() (string, error)
	// Credentials is the text of a Google key file: a service account ("type" may be missing) or an authorized user. It is exchanged for an
	// access token, which goes to the host of the key, whoever runs it.
	Credentials []byte
	// KeyFilename is the path of such a file, read when it is needed.
	KeyFilename string
	// ReadFile reads KeyFilename: the place for a permission. nil is os.ReadFile.
	ReadFile func(path string) ([]byte, error)
}

// kinds lists what the entry is, by the names that users give it.
func (e Entry) kinds() []string {
	var kinds []string
	for _, k := range []struct {
		name string
		set  bool
	}{
		{"token", e.Token != ""},
		{"Username and Secret", e.Username != "" || e.Secret != "" || e.ReadSecret != nil},
		{"credentials", len(e.Credentials) > 0},
		{"keyFilename", e.KeyFilename != ""},
	} {
		if k.set {
			kinds = append(kinds, k.name)
		}
	}
	return kinds
}

// String describes the entry without its secrets.
func (e Entry) String() string {
	kinds := e.kinds()
	if len(kinds) == 0 {
		return "empty auth entry"
	}
	return "auth entry with " + strings.Join(kinds, ", ")
}

// GoString is String.
func (e Entry) GoString() string { return e.String() }

// Format writes String for every verb, so that none shows the fields.
func (e Entry) Format(s fmt.State, verb rune) { formatText(s, verb, e.String()) }

// MarshalText is String.
func (e Entry) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// LogValue is String.
func (e Entry) LogValue() slog.Value { return slog.StringValue(e.String()) }

// check says what is wrong with the entry.
func (e Entry) check() error {
	kinds := e.kinds()
	switch {
	case len(kinds) > 1:
		return fmt.Errorf("has %s: one of them is enough", strings.Join(kinds, " and "))
	case e.Secret != "" && e.ReadSecret != nil:
		return errors.New("has a Secret and a ReadSecret: one of them is enough")
	case e.Username != "" && e.Secret == "" && e.ReadSecret == nil:
		return errors.New("has a Username without a Secret")
	case e.Username == "" && (e.Secret != "" || e.ReadSecret != nil):
		return errors.New("has a Secret without a Username")
	case len(e.Credentials) > 0:
		_, err := parseGoogleKey(e.Credentials, true)
		return err
	}
	return nil
}

// MapOptions are the surroundings of a Map. nil and the zero value are the defaults.
type MapOptions struct {
	// Source is what the map is called in errors and in Credential.Source; "" is "auth map".
	Source string
	// Client exchanges Google keys for access tokens; nil is a client with the default transport.
	Client *http.Client
	// AllowServer is asked before a key is sent to the server that it names: the place for a permission. Its error is that of the credential. nil allows all.
	AllowServer func(server *url.URL) error
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Keychain returns a keychain of a copy of the map. All keys and entries that make no sense are reported together.
func (m Map) Keychain(opts *MapOptions) (Keychain, error) {
	if opts == nil {
		opts = &MapOptions{}
	}
	k := &mapKeychain{source: cmp.Or(opts.Source, mapSource), entries: map[server]*Entry{}, names: map[server]string{}, google: newGoogleExchange(opts.Client, opts.Now)}
	k.google.allow = opts.AllowServer
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(m)) {
		s, err := parseServer(key)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", k.source, err))
			continue
		}
		if other, ok := k.names[s]; ok {
			errs = append(errs, fmt.Errorf("%s: keys %q and %q are the same place", k.source, other, key))
		}
		e := m[key]
		if err := e.check(); err != nil {
			errs = append(errs, fmt.Errorf("%s: entry of %q %w", k.source, key, err))
		}
		e.Credentials = slices.Clone(e.Credentials)
		k.names[s], k.entries[s] = key, &e
	}
	return k, errors.Join(errs...)
}

type mapKeychain struct {
	opaque
	source  string
	entries map[server]*Entry
	names   map[server]string // the keys as they were written
	google  *googleExchange
}

// Credential implements Keychain.
func (k *mapKeychain) Credential(ctx context.Context, host, repository string) (Credential, error) {
	for _, h := range mapHosts(canonicalHost(host)) {
		if s, e := k.find(h, repository); e != nil {
			cred, err := k.credential(ctx, host, e)
			Note(ctx, Step{Source: k.source, Detail: fmt.Sprintf("key %q", k.names[s]), Credential: cred, Err: err})
			return cred, prefix(err, "%s", k.source)
		}
	}
	Note(ctx, Step{Source: k.source, Detail: "no key for it"})
	return Credential{}, nil
}

// Forget implements Forgetter.
func (k *mapKeychain) Forget(cred Credential) bool { return k.google.forget(cred) }

// mapHosts are the hosts under which an entry may stand, best first.
func mapHosts(host string) []string {
	if host == "gcr.io" || strings.HasSuffix(host, ".gcr.io") {
		return []string{host, "any.gcr.io", "gcr.io"}
	}
	return []string{host}
}

// find returns the entry with the longest match and its key; nil when nothing matches.
func (k *mapKeychain) find(host, repository string) (key server, found *Entry) {
	best := -1
	for s, e := range k.entries {
		if n := s.match(host, repository); n > best {
			best, key, found = n, s, e
		}
	}
	return key, found
}

func (k *mapKeychain) credential(ctx context.Context, host string, e *Entry) (Credential, error) {
	switch {
	case e.Token != "":
		return Credential{RegistryToken: e.Token, Source: k.source}, nil
	case e.ReadSecret != nil:
		secret, err := e.ReadSecret()
		if err != nil {
			return Credential{}, prefix(err, "credential for %s", host)
		}
		return fromPair(e.Username, secret, k.source), nil
	case e.Username != "":
		return fromPair(e.Username, e.Secret, k.source), nil
	case len(e.Credentials) > 0:
		cred, err := k.google.credential(ctx, e.Credentials, k.source)
		return cred, prefix(err, "credentials for %s", host)
	case e.KeyFilename != "":
		cred, err := k.keyFile(ctx, e)
		return cred, prefix(err, "keyFilename for %s", host)
	default:
		return Credential{}, nil
	}
}

func (k *mapKeychain) keyFile(ctx context.Context, e *Entry) (Credential, error) {
	read := e.ReadFile
	if read == nil {
		read = os.ReadFile
	}
	data, err := read(e.KeyFilename)
	if err != nil {
		return Credential{}, err
	}
	cred, err := k.google.credential(ctx, data, k.source)
	return cred, prefix(err, "%q", e.KeyFilename)
}

// MarshalJSON encodes what is set, by name.
func (e Entry) MarshalJSON() ([]byte, error) { return json.Marshal(e.String()) }

// prefix says what failed; nil stays nil.
func prefix(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
}
