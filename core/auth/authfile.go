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
	"runtime"
	"slices"
	"strings"
	"sync"
)

// maxConfig bounds Docker's config, Podman's file and key files in bytes.
const maxConfig = 4 << 20

// authFiles answers from files in the format of Docker's config, and runs the helpers that they name.
type authFiles struct {
	helpers *helpers
	notice  func(string)
	told    sync.Map // paths of which the user was told that others can read them
}

func newAuthFiles(opts *DockerOptions) *authFiles {
	return &authFiles{helpers: newHelpers(opts), notice: opts.Notice}
}

// ask looks for a place in a file: in the helper that it names, then in the file itself.
func (f *authFiles) ask(ctx context.Context, file *authFile, host, repository string) (Credential, error) {
	host = canonicalHost(host)
	var unavailable error
	if name, setting, key := file.helper(host, repository); name != "" {
		cred, err := f.helpers.get(ctx, name, loginName(host))
		where := fmt.Sprintf("%s%s names %q", setting, key, helperPrefix+name)
		if err == nil && cred.Anonymous() {
			where += ", which knows nothing"
		}
		Note(ctx, Step{Source: file.String(), Detail: where, Credential: cred, Err: err})
		err = prefix(err, "%s: %s", file, setting)
		switch {
		case err != nil && setting == credsStore && ctx.Err() == nil:
			unavailable = fmt.Errorf("%w: %w", ErrUnavailable, err)
		case err != nil || !cred.Anonymous():
			return cred, err
		}
	}
	key, cred, err := file.entry(host, repository)
	where := "no entry in auths"
	if key != "" {
		where = fmt.Sprintf("auths %q", key)
	}
	Note(ctx, Step{Source: file.String(), Detail: where, Credential: cred, Err: err})
	switch {
	case err != nil:
		return Credential{}, prefix(err, "%s: %s", file, where)
	case cred.Anonymous():
		return Credential{}, unavailable
	}
	f.warn(file)
	return cred, nil
}

// warn tells once of a file of secrets that others can read.
func (f *authFiles) warn(file *authFile) {
	if !file.open() {
		return
	}
	if _, told := f.told.LoadOrStore(file.path, true); !told {
		f.notice(openWarning(file.path))
	}
}

// openWarning says that others can read a file with secrets, and what to do.
func openWarning(path string) string {
	return fmt.Sprintf("%s has passwords, and other users of this machine can read it; chmod 600 keeps them out", path)
}

// authFile is what matters here of a file in the format of Docker's config.
type authFile struct {
	label, path string
	mode        fs.FileMode

	Auths       map[string]dockerAuth `json:"auths"`
	CredHelpers map[string]string     `json:"credHelpers"`
	CredsStore  string                `json:"credsStore"`
}

type dockerAuth struct {
	Auth          string `json:"auth,omitempty"`
	Username      string `json:"username,omitempty"`
	Password      string `json:"password,omitempty"`
	IdentityToken string `json:"identitytoken,omitempty"`
	RegistryToken string `json:"registrytoken,omitempty"`
}

// fileError says that a file as a whole is of no use.
type fileError struct {
	label string
	err   error
}

// Error implements error.
func (e *fileError) Error() string { return e.label + e.err.Error() }

// Unwrap returns the reason.
func (e *fileError) Unwrap() error { return e.err }

// String names the file as the source of credentials.
func (f *authFile) String() string { return f.label + " " + f.path }

// open reports whether others than its owner can read the file.
func (f *authFile) open() bool { return f.mode&0o077 != 0 && runtime.GOOS != "windows" }

// readAuthFile reads a file; nil when there is none. Its errors are *fileError.
func readAuthFile(ctx context.Context, label, path string) (*authFile, error) {
	source := label + " " + path
	data, mode, err := readSmallFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		Note(ctx, Step{Source: source, Detail: "no such file"})
		return nil, nil
	}
	if err != nil {
		Note(ctx, Step{Source: source, Err: err})
		return nil, &fileError{label + ": ", err}
	}
	file, err := parseAuthFile(label, path, data)
	if err != nil {
		Note(ctx, Step{Source: source, Err: err})
		return nil, &fileError{source + ": ", err}
	}
	file.mode = mode
	return file, nil
}

// readSmallFile reads a regular file of bounded size. Others (a FIFO, say) could block for ever.
func readSmallFile(path string) ([]byte, fs.FileMode, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("read %q: not a regular file", path)
	}
	if info.Size() > maxConfig {
		return nil, 0, fmt.Errorf("read %q: %d bytes are more than the limit of %d", path, info.Size(), maxConfig)
	}
	data, err := os.ReadFile(path)
	return data, info.Mode(), err
}

// parseAuthFile never repeats what it could not parse: it may be a secret.
func parseAuthFile(label, path string, data []byte) (*authFile, error) {
	file := &authFile{label: label, path: path}
	var wrongType *json.UnmarshalTypeError
	switch err := json.Unmarshal(data, file); {
	case errors.As(err, &wrongType):
		return nil, fmt.Errorf("%q has the wrong type", wrongType.Field)
	case err != nil:
		return nil, errors.New("not valid JSON")
	}
	return file, nil
}

// credsStore is the setting that names a helper for every host.
const credsStore = "credsStore"

// helper names the helper for a place, if there is one, the setting that names it, and the quoted key of that if it has keys.
func (f *authFile) helper(host, repository string) (name, setting, key string) {
	if key, ok := bestKey(f.CredHelpers, host, repository); ok {
		return f.CredHelpers[key], "credHelpers", fmt.Sprintf(" %q", key)
	}
	return f.CredsStore, credsStore, ""
}

// entry is what auths has, and its key. "docker login" leaves empty entries where a helper has the secret: they say nothing.
func (f *authFile) entry(host, repository string) (string, Credential, error) {
	auths := maps.Clone(f.Auths)
	maps.DeleteFunc(auths, func(_ string, a dockerAuth) bool { return a == dockerAuth{} })
	key, ok := bestKey(auths, host, repository)
	if !ok {
		return "", Credential{}, nil
	}
	cred, err := auths[key].credential(f.String())
	return key, cred, err
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
