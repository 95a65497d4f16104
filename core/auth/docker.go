package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// maxConfig bounds Docker's config and key files in bytes.
const maxConfig = 4 << 20

// DockerOptions are the surroundings of Docker's config. nil and the zero value are the process's own.
type DockerOptions struct {
	// Getenv reads DOCKER_CONFIG and HOME; nil is os.Getenv. Helpers run in the environment of the process all the same.
	Getenv func(string) string
	// LookPath finds the program of a credential helper; nil is exec.LookPath, which looks on PATH and refuses the current directory.
	LookPath func(file string) (string, error)
	// HelperTimeout is how long a helper may take; 0 means 5 minutes, as some open a browser and wait for the user.
	HelperTimeout time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Docker returns the keychain of Docker's config.json, which it reads anew for each question. DOCKER_CONFIG names a directory that replaces
// ~/.docker. For a host it asks credHelpers, then credsStore, then auths (base64 "auth", username and password, identitytoken,
// registrytoken), and returns the first that knows something; keys of auths may have a path, the longest first. An empty name
// in credHelpers keeps credsStore away from that host. What a helper says is used for half a minute.
//
// No config is no error. A config that cannot be read or parsed, an entry for the host that cannot, and a failing helper that credHelpers
// names for the host are errors; a failing credsStore helper is [ErrUnavailable] unless auths has the answer. "credentials not found in native
// keychain", the protocol's words, mean that the helper knows nothing, as does an answer without a secret.
func Docker(opts *DockerOptions) Keychain {
	if opts == nil {
		opts = &DockerOptions{}
	}
	d := &docker{getenv: opts.Getenv, helpers: newHelpers(opts)}
	if d.getenv == nil {
		d.getenv = os.Getenv
	}
	return d
}

type docker struct {
	opaque
	getenv  func(string) string
	helpers *helpers
}

// Credential implements Keychain.
func (d *docker) Credential(ctx context.Context, host, repository string) (Credential, error) {
	config, err := d.load()
	if config == nil || err != nil {
		return Credential{}, err
	}
	host = canonicalHost(host)
	var unavailable error
	if name, source := config.helper(host, repository); name != "" {
		cred, err := d.helpers.get(ctx, name, loginName(host))
		if err != nil {
			err = fmt.Errorf("docker config %s: %s: %w", config.path, source, err)
		}
		switch {
		case err != nil && source == "credsStore" && ctx.Err() == nil:
			unavailable = fmt.Errorf("%w: %w", ErrUnavailable, err)
		case err != nil || !cred.Anonymous():
			return cred, err
		}
	}
	cred, err := config.entry(host, repository)
	if err == nil && cred.Anonymous() {
		err = unavailable
	}
	return cred, err
}

// load reads the config; nil when there is none.
func (d *docker) load() (*dockerConfig, error) {
	path := d.path()
	if path == "" {
		return nil, nil
	}
	data, err := readSmallFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("docker config: %w", err)
	}
	return parseDockerConfig(path, data)
}

func (d *docker) path() string {
	dir := d.getenv("DOCKER_CONFIG")
	if dir == "" {
		home := homeDir(d.getenv)
		if home == "" {
			return ""
		}
		dir = filepath.Join(home, ".docker")
	}
	return filepath.Join(dir, "config.json")
}

func homeDir(getenv func(string) string) string {
	if home := getenv("HOME"); home != "" || runtime.GOOS != "windows" {
		return home
	}
	return getenv("USERPROFILE")
}

// readSmallFile reads a regular file of bounded size. Others (a FIFO, say) could block for ever.
func readSmallFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %q: not a regular file", path)
	}
	if info.Size() > maxConfig {
		return nil, fmt.Errorf("read %q: %d bytes are more than the limit of %d", path, info.Size(), maxConfig)
	}
	return os.ReadFile(path)
}

// dockerConfig is what matters here of Docker's config.json.
type dockerConfig struct {
	path        string
	Auths       map[string]dockerAuth `json:"auths"`
	CredHelpers map[string]string     `json:"credHelpers"`
	CredsStore  string                `json:"credsStore"`
}

type dockerAuth struct {
	Auth          string `json:"auth"`
	Username      string `json:"username"`
	Password      string `json:"password"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
}

// parseDockerConfig never repeats what it could not parse: it may be a secret.
func parseDockerConfig(path string, data []byte) (*dockerConfig, error) {
	config := &dockerConfig{path: path}
	var wrongType *json.UnmarshalTypeError
	switch err := json.Unmarshal(data, config); {
	case errors.As(err, &wrongType):
		return nil, fmt.Errorf("docker config %s: %q has the wrong type", path, wrongType.Field)
	case err != nil:
		return nil, fmt.Errorf("docker config %s: not valid JSON", path)
	}
	return config, nil
}

// helper names the helper for a place, if there is one, and the setting that names it.
func (c *dockerConfig) helper(host, repository string) (name, source string) {
	if key, ok := bestKey(c.CredHelpers, host, repository); ok {
		return c.CredHelpers[key], "credHelpers"
	}
	return c.CredsStore, "credsStore"
}

// entry is what auths has. "docker login" leaves empty entries where a helper has the secret: they say nothing.
func (c *dockerConfig) entry(host, repository string) (Credential, error) {
	auths := maps.Clone(c.Auths)
	maps.DeleteFunc(auths, func(_ string, a dockerAuth) bool { return a == dockerAuth{} })
	key, ok := bestKey(auths, host, repository)
	if !ok {
		return Credential{}, nil
	}
	cred, err := auths[key].credential("docker config " + c.path)
	return cred, prefix(err, "docker config %s: auths %q", c.path, key)
}

func (a dockerAuth) credential(source string) (Credential, error) {
	user, password := a.Username, a.Password
	if a.Auth != "" {
		var err error
		if user, password, err = decodeAuth(a.Auth); err != nil {
			return Credential{}, err
		}
	}
	cred := fromPair(user, password, source)
	if a.IdentityToken != "" {
		cred.IdentityToken = a.IdentityToken
	}
	cred.RegistryToken = a.RegistryToken
	if cred.Anonymous() {
		return Credential{}, nil
	}
	return cred, nil
}

// decodeAuth splits the base64 of "user:password". Old versions of Docker padded the password with NUL.
func decodeAuth(auth string) (user, password string, err error) {
	data, err := base64.StdEncoding.DecodeString(auth)
	if err != nil {
		return "", "", errors.New(`"auth" is not base64`)
	}
	user, password, ok := strings.Cut(string(data), ":")
	if !ok || user == "" {
		return "", "", errors.New(`"auth" is not the base64 of user:password`)
	}
	return user, strings.TrimRight(password, "\x00"), nil
}

// bestKey is the key with the longest match. Of two that say the same, Docker's own form, which has a scheme, wins; keys that are
// no servers match nothing.
func bestKey[V any](keys map[string]V, host, repository string) (string, bool) {
	best, found := -1, ""
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		s, err := parseServer(key)
		if err != nil {
			continue
		}
		n := s.match(host, repository)
		if n > best || n >= 0 && n == best && strings.Contains(key, "://") {
			best, found = n, key
		}
	}
	return found, best >= 0
}
