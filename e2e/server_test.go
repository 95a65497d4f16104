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
)

// kind is one of the registries that tests run against.
type kind struct {
	name    string
	command string // takes "serve CONFIG"
	private bool   // pulls and pushes want a password
}

// kinds are all of them.
var kinds = []kind{
	{"docker-registry", "docker-registry", false},
	{"docker-registry with htpasswd", "docker-registry", true},
	{"distribution v3", "registry", false},
	{"distribution v3 with htpasswd", "registry", true},
}

// server is a registry that runs until the end of its test.
type server struct {
	host string // 127.0.0.1:PORT
	auth string // "user:password" for the config files of users, or ""
	stop func()
}

// htpasswd is the line of the user ann, whose password is "secret": bcrypt, as registries want it, of the least cost.
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

const configAuth = `auth: {htpasswd: {realm: e2e, path: %q}}
`

// start starts a registry.
func start(t *testing.T, k kind) *server {
	t.Helper()
	command, dir := tool(t, k.command), t.TempDir()
	text := fmt.Sprintf(config, filepath.Join(dir, "data"))
	s := &server{}
	if k.private {
		passwords := filepath.Join(dir, "htpasswd")
		writeFile(t, passwords, htpasswd)
		text += fmt.Sprintf(configAuth, passwords)
		s.auth = "ann:secret"
	}
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
