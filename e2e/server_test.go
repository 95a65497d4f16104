package e2e_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// kind is one of the registries that tests run against.
type kind struct {
	name    string
	command string // takes "serve CONFIG"; "" is registrytest, in the process of the test
	auth    authKind
}

// authKind is what a registry asks of those who pull and push.
type authKind int

const (
	open   authKind = iota
	basic           // a password with every request
	bearer          // a token, which a token server gives for a password
)

// kinds are all of them.
var kinds = []kind{
	{"docker-registry", "docker-registry", open},
	{"docker-registry with htpasswd", "docker-registry", basic},
	{"docker-registry with tokens", "docker-registry", bearer},
	{"distribution v3", "registry", open},
	{"distribution v3 with htpasswd", "registry", basic},
	{"distribution v3 with tokens", "registry", bearer},
	{"registrytest", "", open},
	{"registrytest with passwords", "", basic},
	{"registrytest with tokens", "", bearer},
}

// each runs a test with every kind of registry.
func each(t *testing.T, test func(t *testing.T, k kind)) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			test(t, k)
		})
	}
}

// anyKind is for what is not about registries.
var anyKind = kinds[0]

// server is a registry that runs until the end of its test.
type server struct {
	host string // 127.0.0.1:PORT
	auth string // "user:password" for the config files of users, or ""
	data string // the directory of its storage, if it has one
	stop func()
}

// userPassword is the one user of registries that ask.
const userPassword = "ann:secret"

// htpasswd is the line of the user: bcrypt, as registries want it, of the least cost.
const htpasswd = `ann:$2y$05$xYan8IkwedWJHefaASYK.OdlGU7BGsKtDN4Oo.tpJx.Re82zL0.Pa`

// config is the same for both registries. Blobs and manifests can be deleted; port 0 is any that is free.
const config = `
version: 0.1
log: {level: info, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: %q}
  delete: {enabled: true}
http: {addr: "127.0.0.1:0", secret: e2e}
`

// configAuth is what is added for a kind of authentication.
func configAuth(t *testing.T, auth authKind, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "auth")
	switch auth {
	case basic:
		writeFile(t, path, htpasswd)
		return fmt.Sprintf("auth: {htpasswd: {realm: e2e, path: %q}}\n", path)
	case bearer:
		tokens := startTokenServer(t)
		writeFile(t, path, tokens.certificate)
		return fmt.Sprintf("auth: {token: {realm: %q, service: %q, issuer: %q, rootcertbundle: %q}}\n", tokens.url, tokenService, tokenIssuer, path)
	}
	return ""
}

// start starts a registry.
func start(t *testing.T, k kind) *server {
	t.Helper()
	s := &server{}
	if k.auth != open {
		s.auth = userPassword
	}
	if k.command == "" {
		reg := registrytest.New(t, &registrytest.Options{
			Auth:  map[authKind]registrytest.AuthMode{basic: registrytest.AuthBasic, bearer: registrytest.AuthBearer}[k.auth],
			Users: map[string]string{"ann": "secret"},
		})
		s.host, s.stop = reg.Host, reg.Close
		return s
	}
	command, dir := tool(t, k.command), t.TempDir()
	s.data = filepath.Join(dir, "data")
	text := fmt.Sprintf(config, s.data) + configAuth(t, k.auth, dir)
	writeFile(t, filepath.Join(dir, "config.yml"), text)
	cmd := exec.Command(command, "serve", filepath.Join(dir, "config.yml"))
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none") // distribution v3 sends its traces to a collector otherwise
	listening, wait := follow(t, cmd)
	s.stop = func() {
		_ = cmd.Process.Kill() // it may have ended already
		wait()
	}
	t.Cleanup(s.stop)
	select {
	case s.host = <-listening:
	case <-time.After(20 * time.Second):
	}
	if s.host == "" {
		t.Fatalf("%s does not listen", k.name)
	}
	if k.auth == bearer {
		s.host = strings.Replace(s.host, "127.0.0.1", "localhost", 1) // where its token server is: passwords go to no other host
	}
	return s
}

var listeningOn = regexp.MustCompile(`listening on (127\.0\.0\.1:\d+)`)

// follow starts a registry and reads its log, for the address that it listens on: "" if it ends without. wait waits for its end.
func follow(t *testing.T, cmd *exec.Cmd) (listening <-chan string, wait func()) {
	t.Helper()
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	address, done := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(done)
		defer close(address)
		var log strings.Builder
		found := false
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if m := listeningOn.FindStringSubmatch(lines.Text()); m != nil && !found {
				found = true
				address <- m[1]
			}
			if !found {
				fmt.Fprintln(&log, lines.Text())
			}
		}
		_ = cmd.Wait() // it was killed
		if !found {
			fmt.Fprintf(os.Stderr, "%s ended:\n%s", cmd.Path, log.String())
		}
	}()
	return address, func() { <-done }
}

func writeFile(t *testing.T, path, data string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
}
