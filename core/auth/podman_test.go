package auth

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// writeFiles writes files below a directory; those with the text "" are left out.
func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if text == "" {
			continue
		}
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// withToken is a file with a registry token for reg.example.
func withToken(token string) string {
	return `{"auths":{"reg.example":{"registrytoken":"` + token + `"}}}`
}

func TestPodmanPlaces(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the places are those of Linux")
	}
	dir := t.TempDir()
	uid := strconv.Itoa(os.Getuid())
	writeFiles(t, dir, map[string]string{
		"xdg/containers/auth.json":           withToken("xdg"),
		"run/" + uid + "/auth.json":          withToken("uid"),
		"home/.config/containers/auth.json":  withToken("home"),
		"config/containers/auth.json":        withToken("config"),
		"other.json":                         withToken("named"),
		"empty/containers/auth.json":         `{"auths":{"reg.example":{}}}`,
		"elsewhere/containers/auth.json":     `{"auths":{"x.example":{"registrytoken":"x"}}}`,
		"broken/containers/auth.json":        `{"auths":{"reg.example":{"registrytoken":"` + canary,
		"unreadable/containers/auth.json/is": "a directory",
		"badentry/containers/auth.json":      `{"auths":{"reg.example":{"auth":"` + canary + `"}}}`,
		"store/containers/auth.json":         `{"credsStore":"missing"}`,
	})
	at := func(name string) string { return filepath.Join(dir, name) }
	cases := []struct {
		name, want, err string
		unavailable     bool
		env             []string
	}{
		{"XDG_RUNTIME_DIR before the user's config", "xdg", "", false, []string{"XDG_RUNTIME_DIR", at("xdg"), "HOME", at("home")}},
		{"no XDG_RUNTIME_DIR: the user's number", "uid", "", false, []string{"HOME", at("home")}},
		{"no file there: the user's config", "home", "", false, []string{"XDG_RUNTIME_DIR", at("none"), "HOME", at("home")}},
		{"nothing for the host there: the user's config", "home", "", false, []string{"XDG_RUNTIME_DIR", at("elsewhere"), "HOME", at("home")}},
		{"an empty entry there: the user's config", "home", "", false, []string{"XDG_RUNTIME_DIR", at("empty"), "HOME", at("home")}},
		{"XDG_CONFIG_HOME", "config", "", false, []string{"XDG_RUNTIME_DIR", at("none"), "XDG_CONFIG_HOME", at("config"), "HOME", at("home")}},
		{"REGISTRY_AUTH_FILE alone", "named", "", false, []string{"REGISTRY_AUTH_FILE", at("other.json"), "XDG_RUNTIME_DIR", at("xdg")}},
		{"REGISTRY_AUTH_FILE that is missing", "", "", false, []string{"REGISTRY_AUTH_FILE", at("none.json"), "XDG_RUNTIME_DIR", at("xdg")}},
		{"REGISTRY_AUTH_FILE that is broken", "", "podman auth file " + at("broken/containers/auth.json") + ": not valid JSON", false,
			[]string{"REGISTRY_AUTH_FILE", at("broken/containers/auth.json"), "XDG_RUNTIME_DIR", at("xdg")}},
		{"a broken file, and the next one knows", "home", "", false, []string{"XDG_RUNTIME_DIR", at("broken"), "HOME", at("home")}},
		{"a broken file, and nobody knows", "", "podman auth file " + at("broken/containers/auth.json") + ": not valid JSON", true,
			[]string{"XDG_RUNTIME_DIR", at("broken"), "HOME", at("none")}},
		{"no file at all but a directory", "", "not a regular file", true, []string{"XDG_RUNTIME_DIR", at("unreadable")}},
		{"a broken entry for the host is the end", "", `auths "reg.example": "auth" is not`, false, []string{"XDG_RUNTIME_DIR", at("badentry"), "HOME", at("home")}},
		{"credsStore is Docker's", "", "", false, []string{"XDG_RUNTIME_DIR", at("store")}},
		{"no home", "", "", false, []string{"XDG_RUNTIME_DIR", at("none")}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cred, err := Podman(&DockerOptions{Getenv: env(c.env...), RunDir: at("run")}).Credential(t.Context(), "reg.example", "app")
			if cred.RegistryToken != c.want {
				t.Errorf("got %q, want %q", cred.RegistryToken, c.want)
			}
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("got error %v, want %s", err, c.err)
			}
			if errors.Is(err, ErrUnavailable) != c.unavailable {
				t.Errorf("ErrUnavailable: %v", err)
			}
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("a secret in %v", err)
			}
		})
	}
}

func TestPodmanKeys(t *testing.T) {
	d := newHelperDir(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "auth.json")
	writeFiles(t, dir, map[string]string{"auth.json": `{
		"auths": {
			"docker.io": {"auth": "` + b64("hub:pw") + `"},
			"docker.io/library/node": {"auth": "` + b64("node:pw") + `"},
			"quay.io/team": {"auth": "` + b64("team:pw") + `"},
			"quay.io/team/app": {"auth": "` + b64("app:pw") + `"},
			"x.azurecr.io": {"auth": "` + b64(zeroUser+":") + `", "identitytoken": "id"}
		},
		"credHelpers": {"reg.example": "good"}
	}`})
	k := Podman(&DockerOptions{Getenv: env("REGISTRY_AUTH_FILE", path), LookPath: d.look})
	source := "podman auth file " + path
	for place, want := range map[string]Credential{
		"docker.io library/node":   {Username: "node", Password: "pw", Source: source},
		"docker.io library/node2":  {Username: "hub", Password: "pw", Source: source},
		"docker.io library":        {Username: "hub", Password: "pw", Source: source},
		"quay.io team/app":         {Username: "app", Password: "pw", Source: source},
		"quay.io team/app/sub":     {Username: "app", Password: "pw", Source: source},
		"quay.io team/application": {Username: "team", Password: "pw", Source: source},
		"quay.io team2/app":        {},
		"quay.io team":             {Username: "team", Password: "pw", Source: source},
		"x.azurecr.io app":         {Username: zeroUser, IdentityToken: "id", Source: source},
		"reg.example app":          {Username: "bob", Password: canary, Source: "credential helper docker-credential-good"},
	} {
		host, repository, _ := strings.Cut(place, " ")
		if got, err := k.Credential(t.Context(), host, repository); err != nil || got != want {
			t.Errorf("%s: got %s, %v; want %s", place, got, err, want)
		}
	}
}

// Passwords that others can read are told of, once for each file and only when they are used.
func TestNoticeOfOpenFiles(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"docker/config.json": withToken("t"), "auth.json": `{"auths":{"x.example":{"registrytoken":"t"}}}`})
	var notices []string
	k := Default(&Options{
		Getenv: env("DOCKER_CONFIG", filepath.Join(dir, "docker"), "REGISTRY_AUTH_FILE", filepath.Join(dir, "auth.json")),
		Notice: func(message string) { notices = append(notices, strings.ReplaceAll(message, dir, "")) },
	})
	ask := func(want ...string) {
		t.Helper()
		notices = nil
		for range 2 {
			for _, host := range []string{"reg.example", "x.example", "y.example"} {
				if _, err := k.Credential(t.Context(), host, "app"); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := strings.Join(notices, "\n"); got != strings.Join(want, "\n") {
			t.Errorf("got:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
		}
	}
	ask()
	if err := os.Chmod(filepath.Join(dir, "docker/config.json"), 0o644); err != nil {
		t.Fatal(err)
	}
	ask("/docker/config.json has passwords, and other users of this machine can read it; chmod 600 keeps them out")
}

// FuzzPodmanFile: no file makes a panic, an error that repeats a secret, or a credential for a host that it does not name.
func FuzzPodmanFile(f *testing.F) {
	f.Add([]byte(`{"auths":{"quay.io/team/app":{"auth":"`+b64("bob:"+canary)+`"},"quay.io":{"auth":"`+b64("ann:x")+`"}}}`), "quay.io", "team/app")
	f.Add([]byte(`{"auths":{"docker.io/library":{"identitytoken":"`+canary+`"}},"credHelpers":{"quay.io/x":"a b"}}`), "docker.io", "library/node")
	f.Add([]byte(`{"auths":{"localhost:5000":{"auth":""}},"credHelpers":{"":"x","localhost:5000":""}}`), "localhost:5000", "")
	f.Add([]byte(`{"auths":{"quay.io/a//b":{"auth":"!"},"quay.io/../x":null}}`), "quay.io", "a")
	f.Add([]byte(``), "", "")
	f.Fuzz(func(t *testing.T, data []byte, host, repository string) {
		file, err := parseAuthFile(podmanLabel, "auth.json", data)
		if err != nil {
			if strings.Contains(err.Error(), canary) {
				t.Errorf("a secret in %v", err)
			}
			return
		}
		key, cred, err := file.entry(canonicalHost(host), repository)
		if key != "" {
			if s, bad := parseServer(key); bad != nil || s.match(canonicalHost(host), repository) < 0 {
				t.Errorf("key %q is no key for %q/%q", key, host, repository)
			}
		}
		if !cred.Anonymous() && (key == "" || err != nil) {
			t.Errorf("%s with key %q and error %v", cred, key, err)
		}
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("a secret in %v", err)
		}
	})
}
