package auth

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// told writes an explanation without the directory of its files.
func told(e *Explanation, dir string) string {
	var b strings.Builder
	for _, s := range e.Steps {
		fmt.Fprintf(&b, "%s | %s | %s | %v\n", s.Source, s.Detail, s.Credential, s.Err)
	}
	fmt.Fprintf(&b, "= %s | %v\n", e.Credential, e.Err)
	return strings.ReplaceAll(b.String(), dir, "")
}

func TestExplain(t *testing.T) {
	d := newHelperDir(t)
	cases := []struct {
		name           string
		given          Map
		docker, podman string // "" is no file
		host, repo     string
		want           string
	}{
		{"nothing anywhere", nil, "", "", "reg.example", "app", `
docker config /docker/config.json | no such file | no credential | <nil>
podman auth file /run/containers/auth.json | no such file | no credential | <nil>
podman auth file /home/.config/containers/auth.json | no such file | no credential | <nil>
google default credentials | for gcr.io, *.gcr.io and *.pkg.dev alone | no credential | <nil>
= no credential | <nil>`},
		{"the first that knows ends it", Map{"reg.example/a": {Username: "bob", Secret: canary}}, `{}`, "", "reg.example", "a/b", `
auth map | key "reg.example/a" | basic credential of "bob" from auth map | <nil>
= basic credential of "bob" from auth map | <nil>`},
		{"a map without the key", Map{"reg.example/a": {Token: canary}}, `{"auths":{"https://reg.example":{"registrytoken":"` + canary + `"}}}`, "", "reg.example", "b", `
auth map | no key for it | no credential | <nil>
docker config /docker/config.json | auths "https://reg.example" | bearer credential from docker config /docker/config.json | <nil>
= bearer credential from docker config /docker/config.json | <nil>`},
		{"helper, then auths, then podman", nil, `{"credHelpers":{"reg.example":"nothing"},"auths":{"x.example":{"registrytoken":"x"}}}`,
			`{"auths":{"reg.example/team/app":{"auth":"` + b64("ann:"+canary) + `"}}}`, "reg.example", "team/app", `
docker config /docker/config.json | credHelpers "reg.example" names "docker-credential-nothing", which knows nothing | no credential | <nil>
docker config /docker/config.json | no entry in auths | no credential | <nil>
podman auth file /run/containers/auth.json | auths "reg.example/team/app" | basic credential of "ann" from podman auth file /run/containers/auth.json | <nil>
= basic credential of "ann" from podman auth file /run/containers/auth.json | <nil>`},
		{"a credsStore that does not work", nil, `{"credsStore":"fails"}`, `nonsense`, "reg.example", "app", `
docker config /docker/config.json | credsStore names "docker-credential-fails" | no credential | credential helper "docker-credential-fails" for reg.example: exit status 3
docker config /docker/config.json | no entry in auths | no credential | <nil>
podman auth file /run/containers/auth.json |  | no credential | not valid JSON
podman auth file /home/.config/containers/auth.json | no such file | no credential | <nil>
google default credentials | for gcr.io, *.gcr.io and *.pkg.dev alone | no credential | <nil>
= no credential | source of credentials does not work: docker config /docker/config.json: credsStore: credential helper "docker-credential-fails" for reg.example: exit status 3
source of credentials does not work: podman auth file /run/containers/auth.json: not valid JSON`},
		{"a helper that ends it", nil, `{"credHelpers":{"reg.example":"missing"}}`, "", "reg.example", "app", `
docker config /docker/config.json | credHelpers "reg.example" names "docker-credential-missing" | no credential | credential helper "docker-credential-missing" for reg.example: not found on PATH: executable file not found in $PATH
= no credential | docker config /docker/config.json: credHelpers: credential helper "docker-credential-missing" for reg.example: not found on PATH: executable file not found in $PATH`},
		{"Docker Hub by another name", nil, `{"auths":{"https://index.docker.io/v1/":{"username":"bob","password":"` + canary + `"}}}`, "", "registry-1.docker.io", "library/node", `
docker config /docker/config.json | auths "https://index.docker.io/v1/" | basic credential of "bob" from docker config /docker/config.json | <nil>
= basic credential of "bob" from docker config /docker/config.json | <nil>`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			writeFiles(t, dir, map[string]string{"docker/config.json": c.docker, "run/containers/auth.json": c.podman})
			k := Default(&Options{LookPath: d.look, Getenv: env("DOCKER_CONFIG", dir+"/docker", "XDG_RUNTIME_DIR", dir+"/run", "HOME", dir+"/home")})
			if c.given != nil {
				given, err := c.given.Keychain(nil)
				if err != nil {
					t.Fatal(err)
				}
				k = Chain(given, k)
			}
			for range 2 { // the second time the helper's answer comes from memory, and is told of all the same
				e := Explain(t.Context(), k, c.host, c.repo)
				if got, want := told(e, dir), strings.TrimPrefix(c.want, "\n")+"\n"; got != want {
					t.Errorf("got:\n%s\nwant:\n%s", got, want)
				}
				if strings.Contains(fmt.Sprintf("%+v", e), canary) {
					t.Errorf("a secret in %+v", e)
				}
			}
		})
	}
}

// TestExplainTellsWhatIsSent holds explanations to what an Authorizer with the same keychain sends.
func TestExplainTellsWhatIsSent(t *testing.T) {
	path, getenv := writeConfig(t, `{"auths":{"reg.example.com/a":{"auth":"`+b64("ann:pw")+`"},"reg.example.com":{"auth":"`+b64("bob:pw")+`"}}}`)
	k := Chain(nil, Default(&Options{Getenv: func(name string) string {
		if name == "XDG_RUNTIME_DIR" {
			return filepath.Dir(path)
		}
		return getenv(name)
	}}))
	for _, repository := range []string{"a/app", "b/app"} {
		w := newWorld(t)
		w.registry("reg.example.com", `Basic realm="r"`, "Basic "+encodeBasic("ann", "pw"), "Basic "+encodeBasic("bob", "pw"))
		if status, err := w.call(NewAuthorizer(&AuthorizerOptions{Keychain: k, Client: w.client}), reg, Scope{repository, "pull"}); status != http.StatusOK || err != nil {
			t.Fatalf("got %d, %v", status, err)
		}
		cred := Explain(t.Context(), k, "reg.example.com", repository).Credential
		if all := w.sent("reg.example.com"); all[len(all)-1].authorization != "Basic "+encodeBasic(cred.Username, cred.Password) {
			t.Errorf("%s: explained as %s", repository, cred)
		}
	}
}

func TestExplainUnavailable(t *testing.T) {
	broken := fmt.Errorf("%w: helper x", ErrUnavailable)
	e := Explain(t.Context(), &fixed{err: broken}, "docker.io", "library/node")
	if !errors.Is(e.Err, ErrUnavailable) || e.Credential.Kind() != "anonymous" || e.Credential.Source != "anonymous" {
		t.Errorf("got %+v", e)
	}
}
