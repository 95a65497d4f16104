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
	now      func() time.Time
	answers  *memo[helperKey, Credential]
}

type helperKey struct{ name, server string }

func newHelpers(opts *DockerOptions) *helpers {
	h := &helpers{lookPath: opts.LookPath, timeout: opts.HelperTimeout, now: opts.Now}
	if h.lookPath == nil {
		h.lookPath = exec.LookPath
	}
	if h.timeout <= 0 {
		h.timeout = helperTimeout
	}
	if h.now == nil {
		h.now = time.Now
	}
	h.answers = newMemo[helperKey, Credential](h.now)
	return h
}

// get asks the helper name for a server. Its errors name both, and never what the helper printed.
func (h *helpers) get(ctx context.Context, name, server string) (Credential, error) {
	return h.answers.get(ctx, helperKey{name, server}, func(ctx context.Context) (Credential, time.Time, error) {
		cred, err := h.run(ctx, name, server)
		if err != nil {
			err = fmt.Errorf("credential helper %q for %s: %w", helperPrefix+name, server, err)
		}
		return cred, h.now().Add(helperMemory), err
	})
}

func (h *helpers) run(ctx context.Context, name, server string) (Credential, error) {
	if !helperName.MatchString(name) {
		return Credential{}, errors.New("a helper's name has letters, digits, '.', '_' and '-' only")
	}
	path, err := h.lookPath(helperPrefix + name)
	if err != nil {
		return Credential{}, fmt.Errorf("not found on PATH: %w", unwrapExec(err))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, h.timeout, fmt.Errorf("no answer within %v", h.timeout))
	defer cancel()
	p := &program{}
	found, err := client.Get(func(args ...string) client.Program {
		p.run = func(in io.Reader) ([]byte, error) { return runHelper(ctx, in, path, args...) }
		return p
	}, server)
	switch {
	case err == nil && found.Secret == "":
		return Credential{}, nil
	case err == nil:
		return fromPair(found.Username, found.Secret, "credential helper "+helperPrefix+name), nil
	case credentials.IsErrCredentialsNotFound(err):
		return Credential{}, nil
	case p.err != nil: // not err: it has what the helper printed
		return Credential{}, p.err
	default:
		return Credential{}, errors.New("its answer is not the JSON that the protocol asks for")
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
