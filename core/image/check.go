package image

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/imgscript/imgscript/core/content"
)

// check holds the changes to what engines accept, and reports all that is wrong.
func (c *Changes) check(img *Image) error {
	var errs []error
	if len(c.Annotations) > 0 && img.Format() == FormatDocker {
		errs = append(errs, fmt.Errorf("annotations: %w: a Docker manifest has none; use labels, or format = \"oci\"", content.ErrUnsupported))
	}
	errs = append(errs, checkMap("annotation", c.Annotations)...)
	errs = append(errs, checkMap("annotation of an entry", c.EntryAnnotations)...)
	errs = append(errs, checkMap("annotation of the index", c.IndexAnnotations)...)
	errs = append(errs, checkMap("label", c.Labels)...)
	errs = append(errs, checkEach("environment variable", c.Env, checkEnv)...)
	errs = append(errs, checkEach("exposed port", c.ExposedPorts, func(s string) error {
		_, err := parsePort(s)
		return err
	})...)
	if !img.windows() {
		errs = append(errs, checkEach("volume", c.Volumes, checkVolume)...)
	}
	errs = append(errs, c.checkTexts()...)
	if c.Healthcheck != nil {
		errs = append(errs, c.Healthcheck.check()...)
	}
	if c.Created != nil && (c.Created.UTC().Year() < 0 || c.Created.UTC().Year() > 9999) {
		errs = append(errs, invalid("created: the year %d can't be written", c.Created.UTC().Year()))
	}
	return errors.Join(errs...)
}

// checkTexts looks at what may hold any text but NUL bytes, which end a string for the kernel, and at the signal.
func (c *Changes) checkTexts() []error {
	var errs []error
	for _, t := range []struct {
		what string
		text *string
	}{{"working directory", c.WorkingDir}, {"user", c.User}, {"author", c.Author}} {
		if t.text != nil {
			errs = append(errs, checkEach(t.what, []string{*t.text}, checkText)...)
		}
	}
	for _, l := range []struct {
		what string
		list []string
	}{{"cmd", c.Cmd}, {"entrypoint", c.Entrypoint}, {"shell", c.Shell}, {"on_build", c.OnBuild}} {
		errs = append(errs, checkEach(l.what, l.list, checkText)...)
	}
	if c.StopSignal != nil && *c.StopSignal != "" && !signalPattern.MatchString(*c.StopSignal) {
		errs = append(errs, invalid("stop signal %q: want a name, such as \"SIGTERM\", or a number", *c.StopSignal))
	}
	return errs
}

var signalPattern = regexp.MustCompile(`^(?i:(SIG)?[A-Z]+[A-Z0-9]*([+-][0-9]+)?|[1-9][0-9]?)$`)

// checkEach gives each text's error its name.
func checkEach(what string, texts []string, check func(string) error) []error {
	var errs []error
	for _, text := range texts {
		if err := check(text); err != nil {
			errs = append(errs, invalid("%s %q: %w", what, text, err))
		}
	}
	return errs
}

func checkMap(what string, texts map[string]string) []error {
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		errs = append(errs, checkEach(what, []string{key}, checkKey)...)
		errs = append(errs, checkEach(what+" "+strconv.Quote(key), []string{texts[key]}, checkText)...)
	}
	return errs
}

func checkText(s string) error {
	switch {
	case !utf8.ValidString(s):
		return errors.New("it is not UTF-8, which JSON can't hold")
	case strings.ContainsRune(s, 0):
		return errors.New("it has a NUL byte")
	default:
		return nil
	}
}

func checkKey(s string) error {
	if s == "" {
		return errors.New("the key is empty")
	}
	return checkText(s)
}

func checkEnv(s string) error {
	name, _, ok := strings.Cut(s, "=")
	switch {
	case !ok:
		return errors.New(`want NAME=value; NAME= sets it to the empty text`)
	case name == "":
		return errors.New("the name is empty")
	default:
		return checkText(s)
	}
}

// parsePort reads PORT[/PROTOCOL] and returns it with its protocol, as Docker writes it.
func parsePort(s string) (string, error) {
	number, protocol, ok := strings.Cut(s, "/")
	if !ok {
		protocol = "tcp"
	}
	protocol = strings.ToLower(protocol)
	if strings.Contains(number, "-") {
		return "", errors.New("a config has no ranges; list each port")
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 {
		return "", errors.New("want a number from 1 to 65535, such as \"8080/tcp\"")
	}
	if !slices.Contains([]string{"tcp", "udp", "sctp"}, protocol) {
		return "", fmt.Errorf("the protocol %q is none of tcp, udp and sctp", protocol)
	}
	return strconv.FormatUint(n, 10) + "/" + protocol, nil
}

func checkVolume(s string) error {
	switch {
	case !path.IsAbs(s):
		return fmt.Errorf("a volume's path is absolute: %q", path.Join("/", s))
	case path.Clean(s) == "/":
		return errors.New("the root can't be a volume")
	default:
		return checkText(s)
	}
}

func (h *Healthcheck) check() []error {
	var errs []error
	if h.None {
		if len(h.Test) > 0 || h.Interval != 0 || h.Timeout != 0 || h.StartPeriod != 0 || h.Retries != 0 {
			errs = append(errs, invalid("health check: it is none, and something else too"))
		}
		return errs
	}
	switch {
	case len(h.Test) == 0:
		errs = append(errs, invalid("health check: it has no test"))
	case h.Test[0] != "CMD" && h.Test[0] != "CMD-SHELL":
		errs = append(errs, invalid("health check: test begins with %q: want [\"CMD\", program, arguments…] or [\"CMD-SHELL\", command]", h.Test[0]))
	case len(h.Test) == 1, h.Test[0] == "CMD-SHELL" && len(h.Test) != 2:
		errs = append(errs, invalid("health check: test has %d elements: want [\"CMD\", program, arguments…] or [\"CMD-SHELL\", command]", len(h.Test)))
	}
	for _, d := range []struct {
		what  string
		value time.Duration
	}{{"interval", h.Interval}, {"timeout", h.Timeout}, {"start period", h.StartPeriod}} {
		if d.value < 0 || d.value > 0 && d.value < time.Millisecond {
			errs = append(errs, invalid("health check: %s %v: want at least 1ms, or 0 for the default", d.what, d.value))
		}
	}
	if h.Retries < 0 {
		errs = append(errs, invalid("health check: %d retries", h.Retries))
	}
	return errs
}
