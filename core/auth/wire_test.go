//go:build unix

package auth_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// machine is a home of its own with a keychain of everything that a machine may have.
type machine struct {
	t   *testing.T
	dir string
}

func newMachine(t *testing.T, files map[string]string) *machine {
	m := &machine{t, t.TempDir()}
	for name, text := range files {
		path := filepath.Join(m.dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(strings.ReplaceAll(text, "$DIR", m.dir)), 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func (m *machine) options() *auth.Options {
	return &auth.Options{
		Getenv: func(name string) string {
			return map[string]string{"HOME": m.dir, "XDG_RUNTIME_DIR": filepath.Join(m.dir, "run")}[name]
		},
		LookPath: func(file string) (string, error) {
			path := filepath.Join(m.dir, file)
			_, err := os.Stat(path)
			return path, err
		},
	}
}

// client is a registry client of the machine.
func (m *machine) client(front auth.Keychain) *registry.Client {
	c := registry.New(&registry.Options{Keychain: auth.Chain(front, auth.Default(m.options()))})
	m.t.Cleanup(c.Close)
	return c
}

func pair(user, password string) string {
	return fmt.Sprintf(`{"auth":%q}`, base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
}

// twoUsers is a registry where each of two repositories is one user's.
func twoUsers(t *testing.T, mode registrytest.AuthMode) *registrytest.Server {
	reg := registrytest.New(t, &registrytest.Options{
		Auth:  mode,
		Users: map[string]string{"ann": "wonder", "bob": "builder"},
		Rights: []registrytest.Right{
			{User: "ann", Repository: "team1/app"}, {User: "bob", Repository: "team2/app"},
		},
	})
	reg.PushImage("team1/app", "v1", registrytest.Image{Layers: []map[string]string{{"/a": "1"}}})
	return reg
}

// TestTwoCredentialsOnOneHost copies from one user's repository to another's, both on one host, with credentials from each source that knows
// repositories, or from two sources.
func TestTwoCredentialsOnOneHost(t *testing.T) {
	auths := func(host string) string {
		return `{"auths":{"` + host + `":` + pair("eve", "x") + `,"` + host + `/team1":` + pair("ann", "wonder") + `,"` + host + `/team2/app":` + pair("bob", "builder") + `}}`
	}
	one := func(host, path, user, password string) string {
		return `{"auths":{"` + host + path + `":` + pair(user, password) + `}}`
	}
	const helper = "#!/bin/sh\necho '{\"Username\":\"bob\",\"Secret\":\"builder\"}'\n"
	cases := map[string]func(host string) (auth.Map, map[string]string){
		"auth map": func(host string) (auth.Map, map[string]string) {
			return auth.Map{host: {Username: "eve", Secret: "x"}, host + "/team1": {Username: "ann", Secret: "wonder"}, host + "/team2/app": {Username: "bob", Secret: "builder"}}, nil
		},
		"docker": func(host string) (auth.Map, map[string]string) {
			return nil, map[string]string{".docker/config.json": auths(host)}
		},
		"podman, runtime": func(host string) (auth.Map, map[string]string) {
			return nil, map[string]string{"run/containers/auth.json": auths(host)}
		},
		"podman, home": func(host string) (auth.Map, map[string]string) {
			return nil, map[string]string{".config/containers/auth.json": auths(host)}
		},
		"auth map and docker": func(host string) (auth.Map, map[string]string) {
			return auth.Map{host + "/team1": {Username: "ann", Secret: "wonder"}}, map[string]string{".docker/config.json": one(host, "", "bob", "builder")}
		},
		"docker and podman": func(host string) (auth.Map, map[string]string) {
			return nil, map[string]string{".docker/config.json": one(host, "/team2", "bob", "builder"), "run/containers/auth.json": one(host, "/team1/app", "ann", "wonder")}
		},
		"both files of podman": func(host string) (auth.Map, map[string]string) {
			return nil, map[string]string{"run/containers/auth.json": one(host, "/team1", "ann", "wonder"), ".config/containers/auth.json": one(host, "", "bob", "builder")}
		},
		"auth map and a helper": func(host string) (auth.Map, map[string]string) {
			return auth.Map{host + "/team1": {Username: "ann", Secret: "wonder"}},
				map[string]string{".docker/config.json": `{"credHelpers":{"` + host + `":"x"}}`, "docker-credential-x": helper}
		},
	}
	for name, sources := range cases {
		for kind, mode := range map[string]registrytest.AuthMode{"basic": registrytest.AuthBasic, "bearer": registrytest.AuthBearer} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				reg := twoUsers(t, mode)
				given, files := sources(reg.Host)
				front, err := given.Keychain(nil)
				if err != nil {
					t.Fatal(err)
				}
				c := newMachine(t, files).client(front)
				from, to := c.Repository(reg.Host, "team1/app"), c.Repository(reg.Host, "team2/app")
				desc, err := from.Resolve(t.Context(), "v1")
				if err != nil {
					t.Fatal(err)
				}
				if err := errors.Join(content.Copy(t.Context(), to, from, desc, nil), to.Tag(t.Context(), desc, "v1")); err != nil {
					t.Fatal(err)
				}
				for _, r := range reg.Requests() {
					if r.Status < 300 && r.Class != registrytest.ClassToken && (r.User == "ann") != (r.Repository == "team1/app") {
						t.Errorf("%s was sent by %q", r, r.User)
					}
				}
			})
		}
	}
}

// TestExpiredHelperAtTheWire is ECR's way: a password that has expired is answered with a 403 or 400 in words, and without a challenge. The helper, whose
// answer is a moment old, is asked again, once.
func TestExpiredHelperAtTheWire(t *testing.T) {
	const helper = "#!/bin/sh\necho x >>$DIR/asked\nif [ $(wc -l <$DIR/asked) = 1 ]; then S=old; else S=wonder; fi\necho '{\"Username\":\"ann\",\"Secret\":\"'$S'\"}'\n"
	for name, c := range map[string]struct {
		mode   registrytest.AuthMode
		status int
	}{
		"ecr": {registrytest.AuthBasic, http.StatusForbidden}, "ecr, older": {registrytest.AuthBasic, http.StatusBadRequest}, "a 401": {registrytest.AuthBasic, 0},
		"bearer": {registrytest.AuthBearer, 0},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t, &registrytest.Options{
				Auth: c.mode, Users: map[string]string{"ann": "wonder"}, Quirks: registrytest.Quirks{ExpiredStatus: c.status},
			})
			reg.PushImage("app", "v1", registrytest.Image{})
			m := newMachine(t, map[string]string{".docker/config.json": `{"credHelpers":{"` + reg.Host + `":"x"}}`, "docker-credential-x": helper})
			for range 2 {
				if _, err := m.client(nil).Repository(reg.Host, "app").Resolve(t.Context(), "v1"); err != nil {
					t.Fatal(err)
				}
			}
			asked, err := os.ReadFile(filepath.Join(m.dir, "asked"))
			if n := strings.Count(string(asked), "\n"); err != nil || n != 3 { // the second client asks anew, and is told well
				t.Errorf("the helper was asked %d times, %v", n, err)
			}
		})
	}
}

// TestLoginAtTheWire logs in to a registry, keeps what comes of it, and uses that.
func TestLoginAtTheWire(t *testing.T) {
	for kind, mode := range map[string]registrytest.AuthMode{"basic": registrytest.AuthBasic, "bearer": registrytest.AuthBearer} {
		t.Run(kind, func(t *testing.T) {
			reg := registrytest.New(t, &registrytest.Options{Auth: mode, Users: map[string]string{"ann": "wonder"}})
			reg.PushImage("app", "v1", registrytest.Image{})
			m := newMachine(t, map[string]string{".docker/config.json": `{"auths":{"x.example":{}}}`})
			c := m.client(nil)
			if _, err := c.Login(t.Context(), reg.Host, auth.Credential{Username: "ann", Password: "wrong-password"}); !errors.Is(err, registry.ErrDenied) ||
				strings.Contains(err.Error(), "wrong-password") {
				t.Errorf("got %v", err)
			}
			cred, err := c.Login(t.Context(), reg.Host, auth.Credential{Username: "ann", Password: "wonder"})
			if err != nil {
				t.Fatal(err)
			}
			opts := m.options()
			store := auth.NewStore(&auth.DockerOptions{Getenv: opts.Getenv, LookPath: opts.LookPath})
			if _, err := store.Save(t.Context(), reg.Host, cred); err != nil {
				t.Fatal(err)
			}
			if _, err := m.client(nil).Repository(reg.Host, "app").Resolve(t.Context(), "v1"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestGoogleKeysAsPasswords sends a key file as the password of the users that Google's registries know, line breaks and colons included.
func TestGoogleKeysAsPasswords(t *testing.T) {
	key := "{\n  \"type\": \"service_account\",\n  \"private_key\": \"-----BEGIN PRIVATE KEY-----\\nMIIE:==\\n-----END\"\n}\n"
	users := map[string]string{"_json_key": key, "_json_key_base64": base64.StdEncoding.EncodeToString([]byte(key)), "oauth2accesstoken": "ya29.a0Af_token-x"}
	for kind, mode := range map[string]registrytest.AuthMode{"basic": registrytest.AuthBasic, "bearer": registrytest.AuthBearer} {
		for user, password := range users {
			t.Run(kind+"/"+user, func(t *testing.T) {
				reg := registrytest.New(t, &registrytest.Options{Auth: mode, Users: users})
				reg.PushImage("app", "v1", registrytest.Image{})
				m := newMachine(t, map[string]string{".docker/config.json": `{"auths":{"` + reg.Host + `":` + pair(user, password) + `}}`})
				if _, err := m.client(nil).Repository(reg.Host, "app").Resolve(t.Context(), "v1"); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
