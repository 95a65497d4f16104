package auth

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeConfig writes a config.json and returns the environment that names its directory.
func writeConfig(t *testing.T, text string) (path string, getenv func(string) string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, env("DOCKER_CONFIG", filepath.Dir(path))
}

// env is an environment of names and values.
func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestDockerAuths(t *testing.T) {
	cases := []struct {
		name, config, host, repository string
		want                           Credential
	}{
		{"auth", `{"auths":{"reg.example":{"auth":"` + b64("bob:pw:with:colons") + `"}}}`, "reg.example", "app", Credential{Username: "bob", Password: "pw:with:colons"}},
		{"auth padded with NUL", `{"auths":{"reg.example":{"auth":"` + b64("bob:pw\x00\x00") + `"}}}`, "reg.example", "app", Credential{Username: "bob", Password: "pw"}},
		{"username and password", `{"auths":{"reg.example":{"username":"bob","password":"pw"}}}`, "reg.example", "app", Credential{Username: "bob", Password: "pw"}},
		{"auth before username", `{"auths":{"reg.example":{"auth":"` + b64("bob:pw") + `","username":"eve","password":"x"}}}`, "reg.example", "app", Credential{Username: "bob", Password: "pw"}},
		{"identity token of Azure", `{"auths":{"x.azurecr.io":{"auth":"` + b64(zeroUser+":") + `","identitytoken":"id"}}}`, "x.azurecr.io", "app", Credential{Username: zeroUser, IdentityToken: "id"}},
		{"user <token>", `{"auths":{"x.azurecr.io":{"username":"<token>","password":"id"}}}`, "x.azurecr.io", "app", Credential{IdentityToken: "id"}},
		{"registry token", `{"auths":{"reg.example":{"registrytoken":"t"}}}`, "reg.example", "app", Credential{RegistryToken: "t"}},
		{"key with scheme and version", `{"auths":{"https://reg.example/v2/":{"registrytoken":"t"}}}`, "reg.example", "app", Credential{RegistryToken: "t"}},
		{"docker hub", `{"auths":{"https://index.docker.io/v1/":{"registrytoken":"t"}}}`, "docker.io", "library/node", Credential{RegistryToken: "t"}},
		{"docker hub twice: Docker's own key", `{"auths":{"docker.io":{"registrytoken":"x"},"https://index.docker.io/v1/":{"registrytoken":"t"},"index.docker.io":{"registrytoken":"y"}}}`, "docker.io", "library/node", Credential{RegistryToken: "t"}},
		{"paths, longest first", `{"auths":{"reg.example":{"registrytoken":"h"},"reg.example/a":{"registrytoken":"a"},"reg.example/a/b":{"registrytoken":"b"}}}`, "reg.example", "a/b/c", Credential{RegistryToken: "b"}},
		{"an empty longer key says nothing", `{"auths":{"reg.example":{"registrytoken":"h"},"reg.example/a":{}}}`, "reg.example", "a/b", Credential{RegistryToken: "h"}},
		{"another port", `{"auths":{"reg.example:5000":{"registrytoken":"t"}}}`, "reg.example", "app", Credential{}},
		{"another host", `{"auths":{"eg.example":{"registrytoken":"t"}}}`, "reg.example", "app", Credential{}},
		{"keys that are none", `{"auths":{"":{"registrytoken":"t"},"a b":{"registrytoken":"t"}}}`, "reg.example", "app", Credential{}},
		{"empty entry", `{"auths":{"reg.example":{}}}`, "reg.example", "app", Credential{}},
		{"only an e-mail address", `{"auths":{"reg.example":{"email":"x@y"}}}`, "reg.example", "app", Credential{}},
		{"much else in the file", `{"auths":{},"psFormat":"x","HttpHeaders":{"A":"b"},"plugins":{"x":{"y":"z"}},"proxies":{"default":{}}}`, "reg.example", "app", Credential{}},
		{"empty object", `{}`, "reg.example", "app", Credential{}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path, getenv := writeConfig(t, c.config)
			if !c.want.Anonymous() {
				c.want.Source = "docker config " + path
			}
			got, err := Docker(&DockerOptions{Getenv: getenv}).Credential(t.Context(), c.host, c.repository)
			if err != nil || got != c.want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestDockerConfigErrors(t *testing.T) {
	cases := []struct{ name, config, want string }{
		{"no JSON", `{"auths": {"reg.example": "` + canary, "not valid JSON"},
		{"empty file", ``, "not valid JSON"},
		{"wrong type", `{"auths":{"reg.example":{"password":["` + canary + `"]}}}`, `"auths.password" has the wrong type`},
		{"no base64", `{"auths":{"reg.example":{"auth":"` + canary + `!"}}}`, `auths "reg.example": "auth" is not base64`},
		{"no colon", `{"auths":{"reg.example":{"auth":"` + b64(canary) + `"}}}`, `"auth" is not the base64 of user:password`},
		{"no user", `{"auths":{"reg.example":{"auth":"` + b64(":"+canary) + `"}}}`, `"auth" is not the base64 of user:password`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path, getenv := writeConfig(t, c.config)
			_, err := Docker(&DockerOptions{Getenv: getenv}).Credential(t.Context(), "reg.example", "app")
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Fatalf("got %v, want %s of %s", err, c.want, path)
			}
			if strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), b64(canary)) || errors.Is(err, ErrUnavailable) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestDockerConfigOfAnotherHostIsNotLookedAt(t *testing.T) {
	_, getenv := writeConfig(t, `{"auths":{"bad.example":{"auth":"!"},"reg.example":{"registrytoken":"t"}}}`)
	if _, err := Docker(&DockerOptions{Getenv: getenv}).Credential(t.Context(), "reg.example", "app"); err != nil {
		t.Error(err)
	}
}

func TestDockerConfigPlaces(t *testing.T) {
	write := func(dir, token string) {
		os.MkdirAll(dir, 0o700)
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"auths":{"reg.example":{"registrytoken":"`+token+`"}}}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	home, other, empty := t.TempDir(), t.TempDir(), t.TempDir()
	write(filepath.Join(home, ".docker"), "home")
	write(other, "other")
	cases := []struct {
		name   string
		getenv func(string) string
		want   string
	}{
		{"home", env("HOME", home), "home"},
		{"DOCKER_CONFIG", env("HOME", home, "DOCKER_CONFIG", other), "other"},
		{"DOCKER_CONFIG replaces, it does not add", env("HOME", home, "DOCKER_CONFIG", empty), ""},
		{"no home", env(), ""},
		{"a home without a config", env("HOME", empty), ""},
	}
	for _, c := range cases {
		cred, err := Docker(&DockerOptions{Getenv: c.getenv}).Credential(t.Context(), "reg.example", "app")
		if err != nil || cred.RegistryToken != c.want {
			t.Errorf("%s: got %q, %v", c.name, cred.RegistryToken, err)
		}
	}
}

func TestDockerConfigThatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "config.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := Docker(&DockerOptions{Getenv: env("DOCKER_CONFIG", dir)}).Credential(t.Context(), "reg.example", "app")
	if err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("got %v", err)
	}
}

// FuzzDockerConfig: no config makes a panic, an error that repeats a secret, or a credential for a host that it does not name.
func FuzzDockerConfig(f *testing.F) {
	f.Add([]byte(`{"auths":{"https://index.docker.io/v1/":{"auth":"`+b64("bob:"+canary)+`"}},"credsStore":"desktop"}`), "docker.io", "library/node")
	f.Add([]byte(`{"auths":{"reg.example/a/b":{"username":"bob","password":"`+canary+`"}},"credHelpers":{"gcr.io":"gcloud"}}`), "reg.example", "a/b")
	f.Add([]byte(`{"auths":{"x":{"auth":{}}}}`), "x", "")
	f.Add([]byte(`{"auths":{"x":null},"credHelpers":null}`), "x", "y")
	f.Add([]byte(`{"auths":{"reg.example":{"identitytoken":"`+canary+`"}}`), "reg.example", "y")
	f.Fuzz(func(t *testing.T, data []byte, host, repository string) {
		config, err := parseAuthFile(dockerLabel, "config.json", data)
		if err == nil {
			config.helper(host, repository)
			var cred Credential
			_, cred, err = config.entry(canonicalHost(host), repository)
			if !cred.Anonymous() && cred.Source != "docker config config.json" {
				t.Errorf("%+v has no source", cred)
			}
		}
		if err != nil && strings.Contains(err.Error(), canary) && !strings.Contains(host, canary) && !keyHas(config, canary) {
			t.Errorf("a secret in %v", err)
		}
	})
}

// keyHas reports whether a key of auths, which errors may name, has the text.
func keyHas(config *authFile, text string) bool {
	if config == nil {
		return false
	}
	for key := range config.Auths {
		if strings.Contains(key, text) {
			return true
		}
	}
	return false
}
