//go:build unix

package auth

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// testStore is a store of a directory of its own, with the helpers of d.
type testStore struct {
	*Store
	t    *testing.T
	dir  string
	opts *DockerOptions
}

func newTestStore(t *testing.T, d helperDir, config string) *testStore {
	t.Helper()
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"docker/config.json": config})
	opts := &DockerOptions{Getenv: env("DOCKER_CONFIG", filepath.Join(dir, "docker")), LookPath: d.look}
	return &testStore{NewStore(opts), t, dir, opts}
}

// config is the text of the file, "" if there is none.
func (s *testStore) config() string {
	s.t.Helper()
	data, err := os.ReadFile(s.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Fatal(err)
	}
	return string(data)
}

// finds is what Docker's keychain finds for a host.
func (s *testStore) finds(host string) Credential {
	s.t.Helper()
	cred, err := Docker(s.opts).Credential(s.t.Context(), host, "app")
	if err != nil {
		s.t.Error(err)
	}
	cred.Source = strings.ReplaceAll(cred.Source, s.dir, "")
	return cred
}

// leftovers fails if something else than the config is left.
func (s *testStore) leftovers() {
	s.t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.dir, "docker"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "config.json" {
			s.t.Errorf("%s is left", e.Name())
		}
	}
}

var (
	bob   = Credential{Username: "bob", Password: "pw:with:colons"}
	zeros = Credential{Username: zeroUser, IdentityToken: canary}
)

func TestStoreSave(t *testing.T) {
	inFile, inHelper := "docker config /docker/config.json", "credential helper docker-credential-keeps"
	cases := []struct {
		name, config, host string
		cred               Credential
		source             string
		want               string // the config
	}{
		{"no config: the system's helper", "", "reg.example", bob, "credential helper docker-credential-secretservice",
			"{\n\t\"credsStore\": \"secretservice\",\n\t\"auths\": {\n\t\t\"reg.example\": {}\n\t}\n}\n"},
		{"a config that names no helper", `{"auths":{"x":{}}}`, "reg.example", bob, inFile,
			`{"auths":{"x":{},"reg.example":{"auth":"` + b64("bob:pw:with:colons") + `"}}}`},
		{"an identity token", `{"auths":{"x":{}}}`, "x.azurecr.io", zeros, inFile,
			`{"auths":{"x":{},"x.azurecr.io":{"auth":"` + b64(zeroUser+":") + `","identitytoken":"` + canary + `"}}}`},
		{"Docker Hub", `{"auths":{"docker.io":{"auth":"b2xkOnB3"}}}`, "docker.io", bob, inFile,
			`{"auths":{"https://index.docker.io/v1/":{"auth":"` + b64("bob:pw:with:colons") + `"}}}`},
		{"credsStore", `{"credsStore":"keeps","auths":{"reg.example":{"auth":"b2xkOnB3"}}}`, "reg.example", bob, inHelper,
			`{"credsStore":"keeps","auths":{"reg.example":{}}}`},
		{"credHelpers", `{"credHelpers":{"reg.example":"keeps"},"credsStore":"fails"}`, "reg.example", zeros, inHelper,
			`{"credHelpers":{"reg.example":"keeps"},"credsStore":"fails","auths":{"reg.example":{}}}`},
		{"credHelpers of another host", `{"credHelpers":{"x.example":"keeps"}}`, "reg.example", bob, inFile,
			`{"credHelpers":{"x.example":"keeps"},"auths":{"reg.example":{"auth":"` + b64("bob:pw:with:colons") + `"}}}`},
		{"an empty name in credHelpers", `{"credHelpers":{"reg.example":""},"credsStore":"keeps"}`, "reg.example", bob, inFile,
			`{"credHelpers":{"reg.example":""},"credsStore":"keeps","auths":{"reg.example":{"auth":"` + b64("bob:pw:with:colons") + `"}}}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newTestStore(t, newHelperDir(t), c.config)
			kept, err := s.Save(t.Context(), c.host, c.cred)
			if got := strings.ReplaceAll(kept.Source, s.dir, ""); err != nil || got != c.source || kept.Plain != (c.source == inFile) {
				t.Errorf("got %+v, %v", kept, err)
			}
			if got := s.config(); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			found := s.finds(c.host)
			if c.source != inFile && c.cred.IdentityToken != "" {
				found.Username = zeroUser // helpers keep a token without its user
			}
			want := c.cred
			want.Source = c.source
			if found != want {
				t.Errorf("found %s, want %s", found, want)
			}
			if info, err := os.Stat(s.path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
			s.leftovers()
		})
	}
}

func TestStoreSaveErrors(t *testing.T) {
	cases := []struct {
		name, config string
		cred         Credential
		want         string
	}{
		{"damaged", `{"auths":{"reg.example":{"auth":"` + canary, bob, "docker config /docker/config.json: not valid JSON; it was left as it is"},
		{"empty", " ", bob, "docker config /docker/config.json: not valid JSON; it was left as it is"},
		{"auths is no object", `{"auths":["` + canary + `"]}`, bob, `docker config /docker/config.json: "auths" has the wrong type; it was left as it is`},
		{"auths twice", `{"auths":{},"auths":{}}`, bob, `"auths" stands twice`},
		{"a helper that is missing", `{"credsStore":"missing"}`, bob, `credential helper "docker-credential-missing" for reg.example: not found on PATH`},
		{"a helper that fails", `{"credHelpers":{"reg.example":"fails"}}`, bob, `credential helper "docker-credential-fails" for reg.example: exit status 3`},
		{"a helper with another name", `{"credsStore":"../good"}`, bob, `a helper's name has letters`},
		{"nothing to save", `{}`, Credential{Username: "bob"}, `want a password or an identity token, got a basic credential of "bob"`},
		{"a registry token", `{}`, Credential{RegistryToken: canary}, "want a password or an identity token, got a bearer credential"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newTestStore(t, newHelperDir(t), c.config)
			_, err := s.Save(t.Context(), "reg.example", c.cred)
			if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), s.dir, ""), c.want) || strings.Contains(err.Error(), canary) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if got := s.config(); got != c.config {
				t.Errorf("the config became %s", got)
			}
			s.leftovers()
		})
	}
	nowhere := NewStore(&DockerOptions{Getenv: env()})
	if _, err := nowhere.Save(t.Context(), "reg.example", bob); err == nil || !strings.Contains(err.Error(), "HOME and DOCKER_CONFIG are empty") {
		t.Errorf("got %v", err)
	}
	if err := nowhere.Check(); err == nil {
		t.Error("no error")
	}
}

func TestStoreRemove(t *testing.T) {
	const auths = `"auths":{"reg.example":{"auth":"b2xkOnB3"},"reg.example/team":{"auth":"b2xkOnB3"}}`
	cases := []struct {
		name, config string
		inHelper     bool
		sources      string
		want         string
		err          string
	}{
		{"no config", "", false, "", "", ""},
		{"nothing kept", `{"auths":{"x.example":{"auth":"b2xkOnB3"}}}`, false, "", `{"auths":{"x.example":{"auth":"b2xkOnB3"}}}`, ""},
		{"in the file", `{` + auths + `}`, false, "docker config /docker/config.json", `{"auths":{"reg.example/team":{"auth":"b2xkOnB3"}}}`, ""},
		{"in the helper", `{"credsStore":"keeps","auths":{"reg.example":{}}}`, true, "credential helper docker-credential-keeps", `{"credsStore":"keeps","auths":{}}`, ""},
		{"in both", `{"credsStore":"keeps",` + auths + `}`, true, "credential helper docker-credential-keeps docker config /docker/config.json",
			`{"credsStore":"keeps","auths":{"reg.example/team":{"auth":"b2xkOnB3"}}}`, ""},
		{"the helper knows nothing", `{"credsStore":"keeps","auths":{"reg.example":{}}}`, false, "", `{"credsStore":"keeps","auths":{}}`, ""},
		{"the helper fails, the file is cleaned", `{"credsStore":"fails",` + auths + `}`, false, "docker config /docker/config.json",
			`{"credsStore":"fails","auths":{"reg.example/team":{"auth":"b2xkOnB3"}}}`, "exit status 3"},
		{"damaged", `{"auths":`, false, "", `{"auths":`, "not valid JSON; it was left as it is"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := newHelperDir(t)
			if c.inHelper {
				writeFiles(t, string(d), map[string]string{"kept": `{"ServerURL":"reg.example","Username":"bob","Secret":"x"}`})
			}
			s := newTestStore(t, d, c.config)
			kept, err := s.Remove(t.Context(), "reg.example")
			var sources []string
			for _, k := range kept {
				sources = append(sources, strings.ReplaceAll(k.Source, s.dir, ""))
			}
			if got := strings.Join(sources, " "); got != c.sources {
				t.Errorf("removed from %q, want %q", got, c.sources)
			}
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("got %v, want %s", err, c.err)
			}
			if got := s.config(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if c.inHelper {
				if got := d.read(t, "erased"); got != "reg.example" {
					t.Errorf("erased %q", got)
				}
			}
			s.leftovers()
		})
	}
}

// Configs that are kept elsewhere, with links to them, stay there; a link to nothing is no place.
func TestStoreFollowsALink(t *testing.T) {
	s := newTestStore(t, newHelperDir(t), "")
	real := filepath.Join(s.dir, "dotfiles", "docker.json")
	writeFiles(t, s.dir, map[string]string{"dotfiles/docker.json": `{"auths":{"x":{}}}`, "docker/x": "x"})
	os.Remove(filepath.Join(s.dir, "docker", "x"))
	if err := os.Symlink(real, s.path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Save(t.Context(), "reg.example", bob); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(s.path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("it is no link any more: %v", err)
	}
	if s.finds("reg.example").Username != "bob" {
		t.Errorf("the file says %s", s.config())
	}
	if err := os.Remove(real); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Save(t.Context(), "reg.example", bob); err == nil || !strings.Contains(err.Error(), "a link to a file that does not exist") {
		t.Errorf("got %v", err)
	}
}

// What several save at once is all there afterwards.
func TestStoreSavesAtOnce(t *testing.T) {
	s := newTestStore(t, newHelperDir(t), `{"auths":{"x":{}}}`)
	hosts := []string{"a.example", "b.example", "c.example", "d.example", "e.example", "f.example"}
	var wg sync.WaitGroup
	for _, host := range hosts {
		wg.Go(func() {
			if _, err := NewStore(s.opts).Save(t.Context(), host, Credential{Username: host, Password: "pw"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, host := range hosts {
		if got := s.finds(host); got.Username != host {
			t.Errorf("%s: found %s", host, got)
		}
	}
	s.leftovers()
}

func TestStoreEndsWithContext(t *testing.T) {
	d := newHelperDir(t)
	s := newTestStore(t, d, `{"credsStore":"hangs"}`)
	ctx, ended := d.untilRunning(t)
	_, err := s.Save(ctx, "reg.example", bob)
	if took := ended(); !errors.Is(err, context.Canceled) || took > 10*time.Second {
		t.Errorf("got %v after %v", err, took)
	}
	d.waitGone(t, "pid")
	d.waitGone(t, "child")
	s.leftovers()
}

func TestParseHost(t *testing.T) {
	for arg, want := range map[string]string{
		"reg.example":                 "reg.example",
		"REG.example:5000":            "reg.example:5000",
		"https://reg.example/":        "reg.example",
		"http://localhost:5000/v2/":   "localhost:5000",
		"docker.io":                   "docker.io",
		"https://index.docker.io/v1/": "docker.io",
		"registry-1.docker.io":        "docker.io",
		"[::1]:5000":                  "[::1]:5000",
	} {
		if got, err := ParseHost(arg); err != nil || got != want {
			t.Errorf("%s: got %q, %v", arg, got, err)
		}
	}
	for arg, want := range map[string]string{
		"":                 `registry "": want a host`,
		"reg.example/team": `registry "reg.example/team": want a host alone, such as reg.example`,
		"a b":              `registry "a b": want a host`,
		"user@reg.example": `registry "user@reg.example": want a host`,
		"https://":         `registry "https://": want a host`,
	} {
		if got, err := ParseHost(arg); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %q, %v; want %s", arg, got, err, want)
		}
	}
}
