package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"time"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"
)

const (
	helperPrefix  = "docker-credential-"
	helperTimeout = 5 * time.Minute
	// helperPatience is how long a helper may be silent before the user is told whom everything waits for.
	helperPatience = 5 * time.Second
	// helperMemory is how long an answer is used: a run asks for many repositories at once, and some helpers fail when called in quick
	// succession. Longer, and it could outlive a short token.
	helperMemory = 30 * time.Second
	// maxHelperOutput bounds an answer in bytes.
	maxHelperOutput = 64 << 10
	// helperGrace is how long after its end a helper's pipes may be held open by what it started.
	helperGrace = 2 * time.Second
)

// The name becomes part of a program's name, and comes from a config that others may have written.
var helperName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// helpers runs credential helpers (https://github.com/docker/docker-credential-helpers#development) and remembers their answers for a
// moment.
type helpers struct {
	lookPath func(string) (string, error)
	timeout  time.Duration
	patience time.Duration // after which the user is told that a helper is silent
	notice   func(string)
	now      func() time.Time
	answers  *memo[helperKey, Credential]
}

type helperKey struct{ name, server string }

func newHelpers(opts *DockerOptions) *helpers {
	h := &helpers{lookPath: opts.LookPath, timeout: opts.HelperTimeout, patience: helperPatience, notice: opts.Notice, now: opts.Now}
	if h.lookPath == nil {
		h.lookPath = exec.LookPath
	}
	if h.timeout <= 0 {
		h.timeout = helperTimeout
	}
	h.answers = newMemo[helperKey, Credential](h.now)
	return h
}

// forget drops a credential that was refused, if it is kept.
func (h *helpers) forget(cred Credential) bool {
	return h.answers.dropAll(func(kept Credential) bool { return kept == cred })
}

// get asks the helper name for a server.
func (h *helpers) get(ctx context.Context, name, server string) (Credential, error) {
	return h.answers.get(ctx, helperKey{name, server}, func(ctx context.Context) (Credential, time.Time, error) {
		var found *credentials.Credentials
		err := h.call(ctx, name, server, func(program client.ProgramFunc) (err error) {
			found, err = client.Get(program, server)
			return err
		})
		var cred Credential
		switch {
		case credentials.IsErrCredentialsNotFound(err):
			err = nil
		case err == nil && found.Secret != "":
			cred = fromPair(found.Username, found.Secret, "credential helper "+helperPrefix+name)
		}
		return cred, h.now().Add(helperMemory), err
	})
}

// call does something with the helper name for a server. Its errors name both, and never what the helper printed, but for the one that says
// that the helper has no credentials, which is returned as it is.
func (h *helpers) call(ctx context.Context, name, server string, do func(client.ProgramFunc) error) error {
	err := h.run(ctx, name, do)
	if credentials.IsErrCredentialsNotFound(err) {
		return err
	}
	return prefix(err, "credential helper %q for %s", helperPrefix+name, server)
}

func (h *helpers) run(ctx context.Context, name string, do func(client.ProgramFunc) error) error {
	if !helperName.MatchString(name) {
		return errors.New("a helper's name has letters, digits, '.', '_' and '-' only")
	}
	path, err := h.lookPath(helperPrefix + name)
	if err != nil {
		return fmt.Errorf("not found on PATH: %w", unwrapExec(err))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, h.timeout, fmt.Errorf("no answer within %v", h.timeout))
	defer cancel()
	defer h.watch(name)()
	p := &program{}
	err = do(func(args ...string) client.Program {
		p.run = func(in io.Reader) ([]byte, error) { return runHelper(ctx, in, path, args...) }
		return p
	})
	switch {
	case err == nil || credentials.IsErrCredentialsNotFound(err):
		return err
	case p.err != nil: // not err: it has what the helper printed
		return p.err
	default:
		return errors.New("its answer is not the JSON that the protocol asks for")
	}
}

// watch tells the user when a helper is silent for long: it may be waiting for them. The caller calls stop when it has answered.
func (h *helpers) watch(name string) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		timer := time.NewTimer(h.patience)
		defer timer.Stop()
		select {
		case <-timer.C:
			h.notice(fmt.Sprintf("still waiting for the credential helper %s%s", helperPrefix, name))
		case <-done:
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// unwrapExec takes the program's name, which is said already, off an error of exec.LookPath.
func unwrapExec(err error) error {
	var e *exec.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// program is a client.Program whose run is bounded in time and output, and which remembers why it failed.
type program struct {
	run func(in io.Reader) ([]byte, error)
	in  io.Reader
	err error
}

// Input implements client.Program.
func (p *program) Input(in io.Reader) { p.in = in }

// Output implements client.Program.
func (p *program) Output() ([]byte, error) {
	out, err := p.run(p.in)
	p.err = err
	return out, err
}

// runHelper runs a program in a process group of its own, which ends with ctx or when it says too much.
func runHelper(ctx context.Context, in io.Reader, path string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cmd := exec.CommandContext(ctx, path, args...)
	ownProcessGroup(cmd)
	cmd.WaitDelay = helperGrace
	out := &boundedBuffer{limit: maxHelperOutput, over: cancel}
	cmd.Stdin, cmd.Stdout = in, out // stderr is not read: it may hold secrets
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.Is(err, exec.ErrWaitDelay): // it ended well, and left something running that holds its output open
		err = nil
	}
	return out.buf.Bytes(), err
}

// boundedBuffer calls over when more than limit bytes are written to it.
type boundedBuffer struct {
	buf   bytes.Buffer
	limit int
	over  context.CancelCauseFunc
}

// Write implements io.Writer.
func (b *boundedBuffer) Write(p []byte) (int, error) {
	if b.buf.Len()+len(p) > b.limit {
		err := fmt.Errorf("its answer has more than %d bytes", b.limit)
		b.over(err)
		return 0, err
	}
	return b.buf.Write(p)
}
