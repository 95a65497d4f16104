//go:build unix

package auth

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// helperDir holds shell scripts as credential helpers; its method look is a LookPath.
type helperDir string

func (d helperDir) look(file string) (string, error) {
	path := filepath.Join(string(d), file)
	if _, err := os.Stat(path); err != nil {
		return "", &exec.Error{Name: file, Err: exec.ErrNotFound}
	}
	return path, nil
}

func (d helperDir) read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(string(d), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// keeps is a helper that keeps one credential, in the form in which it gets it.
const keeps = `case $1 in
store) cat >$D/kept ;;
get) cat >/dev/null; if [ -e $D/kept ]; then cat $D/kept; else echo 'credentials not found in native keychain'; exit 1; fi ;;
erase) cat >$D/erased; rm $D/kept ;;
esac`

// newHelperDir writes the scripts of all tests at once, before any runs: a file that is open for writing in a forked process
// cannot be executed. $D is the directory.
func newHelperDir(t *testing.T) helperDir {
	t.Helper()
	dir := t.TempDir()
	for name, body := range map[string]string{
		"good":          `echo "$#:$1:$(cat)" >>$D/calls; echo '{"ServerURL":"x","Username":"bob","Secret":"` + canary + `"}'`,
		"token":         `echo '{"Username":"<token>","Secret":"` + canary + `"}'`,
		"nothing":       `echo 'credentials not found in native keychain'; exit 1`,
		"blank":         `echo '{"Username":"","Secret":""}'`,
		"junk":          `echo "hello ` + canary + `"`,
		"silent":        `true`,
		"binary":        `printf '\000\377\033[31m'`,
		"fails":         `echo "` + canary + `"; echo "` + canary + `" >&2; exit 3`,
		"says":          `echo 'no credentials server URL'; exit 1`,
		"hangs":         `echo $$ >$D/pid; sleep 1000 & echo $! >$D/child; wait`,
		"floods":        `echo $$ >$D/pid; while :; do echo ` + canary + strings.Repeat("x", 1000) + `; done`,
		"leaves":        `echo '{"Username":"bob","Secret":"s"}'; sleep 1000 & echo $! >$D/child`,
		"killed":        `kill -9 $$`,
		"keeps":         keeps,
		"pass":          keeps,
		"secretservice": keeps,
		"slow":          `while [ ! -e $D/told ]; do sleep 0.01; done; echo '{"Username":"bob","Secret":"s"}'`,
		"renews":        `echo x >>$D/asked; echo '{"Username":"bob","Secret":"'$(wc -l <$D/asked | tr -d ' ')'"}'`,
		"Upper.X_":      `echo '{"Username":"bob","Secret":"` + canary + `"}'`,
	} {
		script := "#!/bin/sh\nD=" + dir + "\n" + body + "\n"
		if err := os.WriteFile(filepath.Join(dir, helperPrefix+name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return helperDir(dir)
}

// ask asks Docker's keychain with a config for a host.
func (d helperDir) ask(ctx context.Context, t *testing.T, config, host string, timeout time.Duration) (Credential, error) {
	_, getenv := writeConfig(t, config)
	return Docker(&DockerOptions{Getenv: getenv, LookPath: d.look, HelperTimeout: timeout}).Credential(ctx, host, "app")
}

func TestHelperAnswers(t *testing.T) {
	d := newHelperDir(t)
	cases := []struct {
		helper string
		want   Credential
		err    string // what the error says after the names of helper and host
	}{
		{helper: "good", want: Credential{Username: "bob", Password: canary}},
		{helper: "token", want: Credential{IdentityToken: canary}},
		{helper: "Upper.X_", want: Credential{Username: "bob", Password: canary}},
		{helper: "nothing"},
		{helper: "blank"},
		{helper: "junk", err: "its answer is not the JSON that the protocol asks for"},
		{helper: "silent", err: "its answer is not the JSON that the protocol asks for"},
		{helper: "binary", err: "its answer is not the JSON that the protocol asks for"},
		{helper: "fails", err: "exit status 3"},
		{helper: "says", err: "exit status 1"},
		{helper: "killed", err: "signal: killed"},
		{helper: "missing", err: "not found on PATH: executable file not found in $PATH"},
		{helper: "../good", err: "a helper's name has letters"},
		{helper: "/bin/sh", err: "a helper's name has letters"},
		{helper: "a b", err: "a helper's name has letters"},
		{helper: "floods", err: "its answer has more than 65536 bytes"},
		{helper: "hangs", err: "no answer within 3s"},
	}
	for _, c := range cases {
		t.Run(strings.ReplaceAll(c.helper, "/", "|"), func(t *testing.T) {
			timeout := time.Duration(0)
			if c.helper == "hangs" {
				timeout = 3 * time.Second // long enough for it to start on a busy machine
			}
			cred, err := d.ask(t.Context(), t, fmt.Sprintf(`{"credHelpers":{"reg.example":%q}}`, c.helper), "reg.example", timeout)
			if c.err == "" {
				if !c.want.Anonymous() {
					c.want.Source = "credential helper docker-credential-" + c.helper
				}
				if err != nil || cred != c.want {
					t.Errorf("got %+v, %v", cred, err)
				}
				return
			}
			want := fmt.Sprintf("credHelpers: credential helper %q for reg.example: %s", helperPrefix+c.helper, c.err)
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), canary) || errors.Is(err, ErrUnavailable) {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
	for _, name := range []string{"pid", "child"} {
		d.waitGone(t, name)
	}
	if got, want := d.read(t, "calls"), "1:get:reg.example\n"; got != want {
		t.Errorf("the helper was called with %q, want %q", got, want)
	}
}

// waitGone waits for the end of the process whose number a helper wrote to a file.
func (d helperDir) waitGone(t *testing.T, file string) {
	t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(d.read(t, file)))
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if !alive(pid) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("the process of %s still runs", file)
}

// alive reports whether a process runs; one that nobody has waited for yet does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

// untilRunning returns a context that ends when the helper "hangs" and its child run. ended tells how long ago that was.
func (d helperDir) untilRunning(t *testing.T) (ctx context.Context, ended func() time.Duration) {
	ctx, cancel := context.WithCancel(t.Context())
	at := make(chan time.Time, 1)
	go func() {
		defer cancel()
		for range 3000 {
			if data, _ := os.ReadFile(filepath.Join(string(d), "child")); len(data) > 0 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		at <- time.Now()
	}()
	return ctx, func() time.Duration { return time.Since(<-at) }
}

func TestHelperEndsWithContext(t *testing.T) {
	d := newHelperDir(t)
	ctx, ended := d.untilRunning(t)
	_, err := d.ask(ctx, t, `{"credHelpers":{"reg.example":"hangs"}}`, "reg.example", 0)
	if took := ended(); !errors.Is(err, context.Canceled) || took > 10*time.Second {
		t.Errorf("got %v after %v", err, took)
	}
	d.waitGone(t, "pid")
	d.waitGone(t, "child")
}

// A helper may start a daemon that keeps its standard output open; its answer is there all the same.
func TestHelperThatLeavesAProcess(t *testing.T) {
	d := newHelperDir(t)
	start := time.Now()
	cred, err := d.ask(t.Context(), t, `{"credsStore":"leaves"}`, "reg.example", 0)
	if err != nil || cred.Password != "s" {
		t.Errorf("got %+v, %v", cred, err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
	if pid, err := strconv.Atoi(strings.TrimSpace(d.read(t, "child"))); err == nil {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

func TestHelperOrder(t *testing.T) {
	d := newHelperDir(t)
	auths := `"auths":{"reg.example":{"registrytoken":"file"}}`
	cases := []struct{ name, config, want, err string }{
		{"credHelpers before auths", `{"credHelpers":{"reg.example":"good"},` + auths + `}`, "bob", ""},
		{"credHelpers before credsStore", `{"credHelpers":{"reg.example":"good"},"credsStore":"fails"}`, "bob", ""},
		{"credHelpers of another host", `{"credHelpers":{"x.reg.example":"fails"},` + auths + `}`, "file", ""},
		{"credsStore before auths", `{"credsStore":"good",` + auths + `}`, "bob", ""},
		{"credHelpers knows nothing", `{"credHelpers":{"reg.example":"nothing"},` + auths + `}`, "file", ""},
		{"credsStore knows nothing", `{"credsStore":"nothing",` + auths + `}`, "file", ""},
		{"an empty helper keeps credsStore away", `{"credHelpers":{"reg.example":""},"credsStore":"good",` + auths + `}`, "file", ""},
		{"a broken credsStore, auths knows", `{"credsStore":"missing",` + auths + `}`, "file", ""},
		{"a broken credsStore, nobody knows", `{"credsStore":"missing"}`, "", "credsStore: credential helper \"docker-credential-missing\" for reg.example: not found on PATH"},
		{"a broken credHelpers is the end", `{"credHelpers":{"reg.example":"missing"},` + auths + `}`, "", "credHelpers: credential helper \"docker-credential-missing\""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cred, err := d.ask(t.Context(), t, c.config, "reg.example", 0)
			if got := cred.Username + cred.RegistryToken; got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("got error %v, want %s", err, c.err)
			}
			if errors.Is(err, ErrUnavailable) != (c.name == "a broken credsStore, nobody knows") {
				t.Errorf("ErrUnavailable: %v", err)
			}
		})
	}
}

func TestHelperIsAskedForDockerHubByItsOldName(t *testing.T) {
	for _, config := range []string{`{"credsStore":"good"}`, `{"credHelpers":{"docker.io":"good"}}`, `{"credHelpers":{"https://index.docker.io/v1/":"good"}}`} {
		d := newHelperDir(t)
		if _, err := d.ask(t.Context(), t, config, "docker.io", 0); err != nil {
			t.Error(err)
		}
		if got, want := d.read(t, "calls"), "1:get:https://index.docker.io/v1/\n"; got != want {
			t.Errorf("%s: called with %q, want %q", config, got, want)
		}
	}
}

func TestHelperIsAskedOnceAMoment(t *testing.T) {
	d := newHelperDir(t)
	_, getenv := writeConfig(t, `{"credsStore":"good"}`)
	c := newClock()
	k := Docker(&DockerOptions{Getenv: getenv, LookPath: d.look, Now: c.now})
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			if _, err := k.Credential(t.Context(), "reg.example", fmt.Sprint("app", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := d.read(t, "calls"); got != "1:get:reg.example\n" {
		t.Errorf("calls: %q", got)
	}
	c.add(helperMemory)
	if _, err := k.Credential(t.Context(), "reg.example", "app"); err != nil {
		t.Error(err)
	}
	if got := strings.Count(d.read(t, "calls"), "\n"); got != 2 {
		t.Errorf("%d calls", got)
	}
}

func TestHelperRealLookPathIgnoresTheCurrentDirectory(t *testing.T) {
	d := newHelperDir(t)
	t.Chdir(string(d))
	t.Setenv("PATH", ".")
	_, getenv := writeConfig(t, `{"credHelpers":{"reg.example":"good"}}`)
	_, err := Docker(&DockerOptions{Getenv: getenv}).Credential(t.Context(), "reg.example", "app")
	if err == nil || !strings.Contains(err.Error(), "not found on PATH") {
		t.Errorf("got %v", err)
	}
	t.Setenv("PATH", string(d)+":/usr/bin:/bin")
	cred, err := Docker(&DockerOptions{Getenv: getenv}).Credential(t.Context(), "reg.example", "app")
	if err != nil || cred.Username != "bob" {
		t.Errorf("got %v, %v", cred, err)
	}
}
