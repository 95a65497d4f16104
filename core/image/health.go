package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Healthcheck says how to find out whether a container works. Docker reads it from images of both formats, Podman from Docker's alone, Kubernetes and containerd from none; in
// an OCI config it is a reserved field (image-spec, config.md). Zero durations and retries are left to the engine's defaults.
type Healthcheck struct {
	// None turns off the base's; nothing else is set then.
	None bool
	// Test is {"CMD", program, arguments…} or {"CMD-SHELL", command}.
	Test                           []string
	Interval, Timeout, StartPeriod time.Duration
	// StartInterval is the time between checks during the start period; Docker knows it since version 25, and others leave it alone.
	StartInterval time.Duration
	Retries       int
}

// json writes a health check as Docker does: durations are nanoseconds, and what is zero is left out.
func (h *Healthcheck) json() json.RawMessage {
	if h.None {
		return json.RawMessage(`{"Test":["NONE"]}`)
	}
	return encode(struct {
		Test          []string
		Interval      time.Duration `json:",omitempty"`
		Timeout       time.Duration `json:",omitempty"`
		StartPeriod   time.Duration `json:",omitempty"`
		StartInterval time.Duration `json:",omitempty"`
		Retries       int           `json:",omitempty"`
	}{h.Test, h.Interval, h.Timeout, h.StartPeriod, h.StartInterval, h.Retries})
}

func (h *Healthcheck) check() []error {
	var errs []error
	if h.None {
		if len(h.Test) > 0 || h.Interval != 0 || h.Timeout != 0 || h.StartPeriod != 0 || h.StartInterval != 0 || h.Retries != 0 {
			errs = append(errs, invalid("health check: it is none, and something else too"))
		}
		return errs
	}
	if err := checkTest(h.Test); err != nil {
		errs = append(errs, invalid("health check: %w", err))
	}
	for _, d := range []struct {
		what  string
		value time.Duration
	}{{"interval", h.Interval}, {"timeout", h.Timeout}, {"start period", h.StartPeriod}, {"start interval", h.StartInterval}} {
		if d.value < 0 || d.value > 0 && d.value < time.Millisecond {
			errs = append(errs, invalid("health check: %s %v: want at least 1ms, or 0 for the default", d.what, d.value))
		}
	}
	if h.Retries < 0 {
		errs = append(errs, invalid("health check: %d retries", h.Retries))
	}
	return errs
}

// checkTest looks at the command of a health check.
func checkTest(test []string) error {
	if len(test) == 0 {
		return errors.New("it has no test")
	}
	for _, word := range test {
		if err := checkText(word); err != nil {
			return fmt.Errorf("test: %q: %w", word, err)
		}
	}
	switch kind := test[0]; {
	case kind == "NONE":
		return errors.New(`test begins with "NONE", which is no check; write "none" in place of it all`)
	case kind != "CMD" && kind != "CMD-SHELL":
		return fmt.Errorf("test begins with %q; did you mean %s?", kind, meantTest(test))
	case len(test) == 1:
		return errors.New("test has too few elements: want [\"CMD\", program, arguments…] or [\"CMD-SHELL\", command]")
	case kind == "CMD-SHELL" && len(test) != 2:
		return fmt.Errorf("test has %d elements, and the shell takes one command; did you mean %s?", len(test), meantTest(test))
	case kind == "CMD" && len(test) == 2 && strings.Contains(test[1], " ") && !strings.HasPrefix(test[1], "/"):
		return fmt.Errorf("test: no program is called %q; did you mean %s?", test[1], meantTest(test))
	}
	return nil
}

// meantTest is the test that was probably meant by one that is none.
func meantTest(test []string) string {
	kind := strings.ReplaceAll(strings.ToUpper(test[0]), "_", "-")
	shell := func(words []string) string { return list("CMD-SHELL", strings.Join(words, " ")) }
	switch {
	case kind == "CMD-SHELL" || kind == "SHELL" || kind == "CMD" && len(test) == 2 && strings.Contains(test[1], " "):
		return shell(test[1:])
	case kind == "CMD":
		return list(append([]string{kind}, test[1:]...)...)
	case len(test) == 1 && strings.ContainsAny(test[0], " |&;<>()$`"):
		return shell(test)
	default:
		return list(append([]string{"CMD"}, test...)...)
	}
}

// list shows texts as a list of them is written.
func list(texts ...string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = fmt.Sprintf("%q", text)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
