package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"golang.org/x/sync/errgroup"

	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// The secrets of a user who meets a hostile registry. Each may be seen by reg.example.com and its token server alone.
const (
	password = "pw-CANARY-4a7d1e02"    // of ann at reg.example.com, in Docker's config
	identity = "idt-CANARY-9be20c35"   // in its place, where a scenario says so
	access   = "at-CANARY-5d10f77a-zz" // what the token server gives
	envValue = "env-CANARY-c0ffee1288" // of --secret
)

// leastScenarios is how many there must be, so that none gets lost.
const leastScenarios = 171

// anyFailure is the code of scenarios that may end with several, and never with 0.
const anyFailure = -1

// scenario is one way in which a server does harm, or tries to.
type scenario struct {
	name   string
	script string // pull when empty
	// before and after answer in place of reg.example.com, before and after the credentials are looked at, if they return true.
	before, after func(w http.ResponseWriter, r *http.Request) bool
	challenge     string // in place of that which names the token server
	hosts         map[string]http.HandlerFunc
	identity      bool   // an identity token takes the place of the password
	docker        string // in place of Docker's config
	code          int    // of the program
	want          string // part of stderr, or of stdout when the code is 0
}

// TestHostile runs the program against hostile servers. Whatever they do, it ends soon and well, no secret reaches anybody else, a file, a command line or
// the terminal, and nothing that a terminal obeys gets there.
func TestHostile(t *testing.T) {
	t.Parallel()
	all := scenarios()
	names := map[string]bool{}
	var group errgroup.Group
	group.SetLimit(12) // most of them wait for the next try
	for _, s := range all {
		if names[s.name] {
			t.Errorf("two scenarios are %q", s.name)
		}
		names[s.name] = true
		group.Go(func() error {
			t.Run(s.name, func(t *testing.T) { newMeeting(t, s).run() })
			return nil
		})
	}
	group.Wait()
	t.Logf("%d hostile scenarios", len(all))
	if len(all) < leastScenarios {
		t.Errorf("%d scenarios, want at least %d", len(all), leastScenarios)
	}
}

// meeting is one run of the program against one scenario.
type meeting struct {
	scenario
	*registrytest.Internet
	t         *testing.T
	home, dir string

	mu       sync.Mutex
	pid      int
	cmdlines string // of the program and what it started, whenever it asked for something
}

func newMeeting(t *testing.T, s scenario) *meeting {
	m := &meeting{scenario: s, Internet: registrytest.NewInternet(t), t: t, home: t.TempDir(), dir: t.TempDir()}
	m.Handle("reg.example.com", m.registry)
	m.Handle("auth.example.com", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, `{"token":%q}`, access) })
	for host, handler := range s.hosts {
		m.Handle(host, func(w http.ResponseWriter, r *http.Request) {
			m.look()
			handler(w, r)
		})
	}
	return m
}

// run runs the program and looks at everything that it left.
func (m *meeting) run() {
	start := time.Now()
	stdout, stderr, code := m.program()
	if took := time.Since(start); took > 50*time.Second {
		m.t.Errorf("it took %v", took)
	}
	told := stderr
	if m.code == 0 {
		told = stdout + stderr
	}
	fails := m.code == anyFailure && code > 0 && code != 2
	if code != m.code && !fails || !strings.Contains(told, m.want) {
		m.t.Errorf("exit code %d, want %d and %q\n%s%s", code, m.code, m.want, stdout, stderr)
	}
	if strings.Contains(stderr, "internal error") || strings.Contains(stderr, "goroutine ") {
		m.t.Errorf("it broke:\n%s", stderr)
	}
	for what, text := range map[string]string{"stdout": stdout, "stderr": stderr, "a command line": m.cmdlines} {
		m.expectNone(what, text)
	}
	if i := strings.IndexFunc(stdout+stderr, obeyed); i >= 0 {
		m.t.Errorf("a terminal would obey %q", (stdout + stderr)[i:min(i+20, len(stdout+stderr))])
	}
	if _, err := os.Stat("/proc/self/cmdline"); err == nil && !strings.Contains(m.cmdlines, "imgscript") && len(m.Requests()) > 0 {
		m.t.Errorf("no command line of the program was seen: %q", m.cmdlines)
	}
	m.files()
	m.others()
}

// program runs imgscript with nothing but the secrets and the network.
func (m *meeting) program() (stdout, stderr string, code int) {
	script := m.script
	if script == "" {
		script = pull
	}
	docker := m.docker
	if docker == "" {
		entry := map[string]string{"username": "ann", "password": password}
		if m.identity {
			entry = map[string]string{"identitytoken": identity}
		}
		data, err := json.Marshal(map[string]any{"auths": map[string]any{"reg.example.com": entry}})
		if err != nil {
			m.t.Fatal(err)
		}
		docker = string(data)
	}
	writeFile(m.t, filepath.Join(m.dir, "build.star"), usesSecret+script)
	writeFile(m.t, filepath.Join(m.home, "docker/config.json"), docker)
	writeFile(m.t, filepath.Join(m.home, "ca.pem"), string(m.CA()))
	ctx, cancel := context.WithTimeout(m.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "run", filepath.Join(m.dir, "build.star"), "--progress", "plain", "--output", "json",
		"--cache-dir", filepath.Join(m.dir, "cache"), "--secret", "s=env:SECRET_OF_S")
	cmd.Dir = m.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + m.home, "TMPDIR=" + m.dir, "DOCKER_CONFIG=" + filepath.Join(m.home, "docker"), "SECRET_OF_S=" + envValue,
		"HTTPS_PROXY=" + m.Proxy(), "HTTP_PROXY=" + m.Proxy(), "SSL_CERT_FILE=" + filepath.Join(m.home, "ca.pem"),
	}
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	m.mu.Lock()
	err := cmd.Start()
	if err == nil {
		m.pid = cmd.Process.Pid
	}
	m.mu.Unlock()
	if err != nil {
		m.t.Fatal(err)
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		m.t.Fatal(err)
	}
	return out.String(), log.String(), cmd.ProcessState.ExitCode()
}

// obeyed reports whether a terminal may obey a character, or show others elsewhere because of it.
func obeyed(r rune) bool {
	return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) || r == unicode.ReplacementChar
}

func (m *meeting) expectNone(what, text string) {
	m.t.Helper()
	for _, leak := range registrytest.Leaks(text, password, identity, access, envValue) {
		m.t.Errorf("%s has %s:\n%s", what, leak, text)
	}
}

// files looks into all that the program wrote: the cache, temporary files, layouts.
func (m *meeting) files() {
	err := filepath.WalkDir(m.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		m.expectNone(path, path+string(data))
		return err
	})
	if err != nil {
		m.t.Error(err)
	}
}

// others looks at what everybody was sent but the registry and its token server, and at what went in the clear.
func (m *meeting) others() {
	for _, r := range m.Requests() {
		if trusted := r.Host == "reg.example.com" || r.Host == "auth.example.com"; !trusted || !r.TLS {
			m.expectNone(r.Host+" got what", r.All)
		}
		if strings.HasPrefix(r.Host, "10.") || strings.HasPrefix(r.Host, "169.254.") || strings.HasPrefix(r.Host, "[::") || strings.HasPrefix(r.Host, "localhost") {
			m.t.Errorf("%s was asked for %s", r.Host, r.Line)
		}
	}
}

// look remembers the command lines of the program and of what it started.
func (m *meeting) look() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pid == 0 {
		return
	}
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", m.pid, m.pid)) // there may be none
	for _, pid := range append(strings.Fields(string(children)), fmt.Sprint(m.pid)) {
		line, _ := os.ReadFile("/proc/" + pid + "/cmdline") // it may be gone
		if !strings.Contains(m.cmdlines, string(line)) {
			m.cmdlines += string(line) + "\n"
		}
	}
}
