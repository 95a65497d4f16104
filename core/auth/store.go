package auth

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"

	"github.com/imgscript/imgscript/core/atomicfile"
)

// Store keeps credentials where Docker keeps them, for [Docker] and for Docker itself: in the helper that config.json names for a host (credHelpers), in the
// one for all hosts (credsStore), or in config.json. Where the config has no word about credentials, the helper that Docker takes for the system is
// used if it is installed: osxkeychain, wincred, pass where that is, secretservice.
//
// Of config.json only what has to change does: other settings, their order, and the white space stay. It is written whole or not at all, readable by its
// owner alone. A config that cannot be parsed is an error and stays as it is.
type Store struct {
	path     string
	helpers  *helpers
	lookPath func(string) (string, error)
}

// NewStore returns the store of this machine's user; opts says where Docker's config is. It does no I/O.
func NewStore(opts *DockerOptions) *Store {
	o := opts.withDefaults()
	s := &Store{path: dockerPath(o.Getenv), helpers: newHelpers(&o), lookPath: o.LookPath}
	if s.lookPath == nil {
		s.lookPath = exec.LookPath
	}
	return s
}

// Kept says where a credential was put or found.
type Kept struct {
	Source string // as in Credential.Source: "docker config PATH", "credential helper docker-credential-NAME"
	Plain  bool   // it is in a file, and no better protected than that
}

// ParseHost reads a registry as it is given to a login: "reg.example:5000", also with a scheme or an API version as Docker takes it; every name of Docker
// Hub becomes "docker.io". A path is an error: Docker keeps one credential for a host.
func ParseHost(s string) (string, error) {
	key, err := parseServer(s)
	if err != nil {
		return "", fmt.Errorf("registry %q: want a host, with its port if it has one, such as reg.example:5000", s)
	}
	if key.path != "" {
		return "", fmt.Errorf("registry %q: want a host alone, such as %s", s, key.host)
	}
	return key.host, nil
}

// Check says what is wrong with the config, before somebody is asked for a password in vain.
func (s *Store) Check() error {
	_, _, err := s.read()
	return err
}

// Save keeps the credential of a host ([ParseHost]), in the place of the one that was there. It has to be a user with a password or with an
// identity token.
func (s *Store) Save(ctx context.Context, host string, cred Credential) (Kept, error) {
	if cred.RegistryToken != "" || cred.Password == "" && cred.IdentityToken == "" {
		return Kept{}, fmt.Errorf("save the credential for %s: want a password or an identity token, got a %s", host, cred)
	}
	kept := Kept{Source: dockerLabel + " " + s.path, Plain: true}
	err := s.change(ctx, func(file *authFile, text *configText) error {
		name, err := s.helperFor(file, text, host)
		if err != nil {
			return err
		}
		if name == "" {
			return text.put(host, storedAuth(cred))
		}
		kept = Kept{Source: "credential helper " + helperPrefix + name}
		if err := s.storeIn(ctx, name, host, cred); err != nil {
			return err
		}
		return text.put(host, dockerAuth{}) // as Docker leaves it
	})
	return kept, prefix(err, "save the credential for %s", host)
}

// Remove removes what is kept for a host, and says where it was: nowhere, if nothing was. What is kept for single repositories of the host stays.
func (s *Store) Remove(ctx context.Context, host string) ([]Kept, error) {
	var removed []Kept
	if _, err := os.Stat(s.path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	err := s.change(ctx, func(file *authFile, text *configText) error {
		var failed error
		if name, _, _ := file.helper(host, ""); name != "" {
			found, err := s.eraseFrom(ctx, name, host)
			if found {
				removed = append(removed, Kept{Source: "credential helper " + helperPrefix + name})
			}
			failed = err // what the file has goes all the same
		}
		dropped, err := text.drop(host, "")
		if dropped {
			removed = append(removed, Kept{Source: file.String(), Plain: true})
		}
		if failed != nil && err == nil {
			err = &afterwards{failed}
		}
		return err
	})
	return removed, prefix(err, "remove the credential for %s", host)
}

// afterwards is an error that does not keep a changed config from being written.
type afterwards struct{ error }

// Unwrap returns the error itself.
func (a *afterwards) Unwrap() error { return a.error }

// storedAuth is the entry of a credential in the config.
func storedAuth(cred Credential) dockerAuth {
	entry := dockerAuth{IdentityToken: cred.IdentityToken}
	if cred.Username != "" {
		entry.Auth = encodeBasic(cred.Username, cred.Password)
	}
	if cred.IdentityToken != "" && cred.Username != "" {
		entry.Auth = encodeBasic(cred.Username, "")
	}
	return entry
}

// helperFor names the helper for a host, or "" for none. One that only the system suggests becomes a setting.
func (s *Store) helperFor(file *authFile, text *configText, host string) (string, error) {
	name, _, _ := file.helper(host, "")
	if name != "" || file.CredsStore != "" || len(file.CredHelpers) > 0 || len(file.Auths) > 0 {
		return name, nil
	}
	if name = s.systemHelper(); name == "" {
		return "", nil
	}
	return name, text.set(credsStore, name)
}

// systemHelper is the helper that Docker takes where nothing is configured, if it is installed.
func (s *Store) systemHelper() string {
	name := "secretservice"
	switch runtime.GOOS {
	case "darwin":
		name = "osxkeychain"
	case "windows":
		name = "wincred"
	default:
		if _, err := s.lookPath("pass"); err == nil {
			name = "pass"
		}
	}
	if _, err := s.lookPath(helperPrefix + name); err != nil {
		return ""
	}
	return name
}

func (s *Store) storeIn(ctx context.Context, name, host string, cred Credential) error {
	server := loginName(host)
	what := &credentials.Credentials{ServerURL: server, Username: cred.Username, Secret: cred.Password}
	if cred.IdentityToken != "" {
		what.Username, what.Secret = tokenUser, cred.IdentityToken
	}
	return s.helpers.call(ctx, name, server, func(program client.ProgramFunc) error { return client.Store(program, what) })
}

// eraseFrom removes what a helper has for a host, and reports whether it had something.
func (s *Store) eraseFrom(ctx context.Context, name, host string) (bool, error) {
	server := loginName(host)
	cred, err := s.helpers.get(ctx, name, server)
	if err != nil || cred.Anonymous() {
		return false, err
	}
	err = s.helpers.call(ctx, name, server, func(program client.ProgramFunc) error { return client.Erase(program, server) })
	return err == nil, err
}

// read reads the config; one that is missing is empty.
func (s *Store) read() (*authFile, *configText, error) {
	if s.path == "" {
		return nil, nil, errors.New("there is no place for Docker's config: HOME and DOCKER_CONFIG are empty")
	}
	data, mode, err := readSmallFile(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		data = []byte(emptyConfig)
	case err != nil:
		return nil, nil, prefix(err, dockerLabel)
	}
	text := &configText{data}
	file, err := parseAuthFile(dockerLabel, s.path, data)
	if err == nil {
		err = text.editAuths(func(auths *jsonObject) ([]byte, error) { return auths.text, nil }) // what could not be changed
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s %s: %w; it was left as it is", dockerLabel, s.path, err)
	}
	file.mode = mode
	return file, text, nil
}

// change reads the config, has it edited, and writes it if it is another one then. Others of this program wait meanwhile.
func (s *Store) change(ctx context.Context, edit func(*authFile, *configText) error) error {
	if err := s.Check(); err != nil { // before anything is made
		return err
	}
	path, err := target(s.path)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer root.Close()
	unlock, err := atomicfile.Lock(ctx, root, filepath.Base(path)+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	file, text, err := s.read()
	if err != nil {
		return err
	}
	before := string(text.text)
	err = edit(file, text)
	if err != nil && !errors.As(err, new(*afterwards)) || string(text.text) == before {
		return err
	}
	return errors.Join(err, s.write(root, filepath.Base(path), text.text))
}

// target is the file behind a path that may be a link, as configs that are kept elsewhere are: the link stays.
func target(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err == nil {
			return "", fmt.Errorf("%s is a link to a file that does not exist", path)
		}
		return path, nil
	}
	return real, err
}

// write puts a config in the place of the old one, whose owner it keeps: root may be logging in for somebody.
func (s *Store) write(root *os.Root, name string, data []byte) error {
	if _, err := parseAuthFile(dockerLabel, s.path, data); err != nil {
		return fmt.Errorf("%s %s: it could not be changed: %w", dockerLabel, s.path, err)
	}
	old, missing := root.Stat(name)
	if err := atomicfile.WriteFile(root, ".", name, data, 0o600); err != nil {
		return err
	}
	if missing == nil {
		keepOwner(root, name, old)
	}
	return nil
}
