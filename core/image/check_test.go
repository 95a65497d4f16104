package image_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
)

// mistakes are values that people write by mistake, and what the error says that they meant, or what is wrong where there is no saying.
var mistakes = map[string]map[string]string{
	"port": {
		"80/tpc": `did you mean "80/tcp"?`, "53/upd": `did you mean "53/udp"?`, "53/UPD": `did you mean "53/udp"?`, "tcp/80": `did you mean "80/tcp"?`, "udp:53": `did you mean "53/udp"?`,
		"8080:80": `docker run -p has it; did you mean "80/tcp"?`, "127.0.0.1:53:53/udp": `docker run -p has it; did you mean "53/udp"?`, "[::1]:8080:80": `did you mean "80/tcp"?`,
		"80 tcp": `did you mean "80/tcp"?`, "80tcp": `did you mean "80/tcp"?`, " 80 ": `did you mean "80/tcp"?`, "http": `did you mean "80/tcp"?`, "HTTPS": `did you mean "443/tcp"?`,
		"70000": "want a number from 1 to 65535", "0": "want a number from 1 to 65535", "80/http": `the protocol "http" is none of tcp, udp and sctp`, "9000-9010": "list each port", "": "want a number",
		"$PORT": "want a number", "8080:99999": "docker run -p", "00": "want a number",
	},
	"env": {
		"A B": `want NAME=value; did you mean "A=B"?`, "NODE_ENV production": `did you mean "NODE_ENV=production"?`, "A: b": `did you mean "A=b"?`, "A:b": `did you mean "A=b"?`,
		"export A=b": `has a space; did you mean "A=b"?`, "ENV A b c": `did you mean "A=b c"?`, "A = b": `the name "A " has a space; did you mean "A=b"?`, "A": "NAME= sets it to the empty text", "=b": "the name is empty",
		"a b=c": "has a space",
	},
	"volume": {
		"data": `absolute: "/data"`, "./data": `absolute: "/data"`, "db:/var/lib/db": `docker run -v has it; did you mean "/var/lib/db"?`, "/srv:/data:ro": `did you mean "/data"?`,
		`C:\data`: `of Windows, for which the image is not; did you mean "/data"?`, "~/data": `nothing expands "~"`, "$HOME/data": `nothing expands "$"`, "/": "the root",
	},
	"dir": {`C:\app\x`: `did you mean "/app/x"?`, "~/app": `nothing expands "~"`, "$HOME": `nothing expands "$"`},
	"user": {
		"1000 : 1000": `did you mean "1000:1000"?`, " app": `did you mean "app"?`, "a:b:c": `did you mean "a:b"?`, ":100": `did you mean "0:100"?`, "-1": "the number -1", "4294967295": "the number 4294967295",
		"app:99999999999999999999": "the number 99999999999999999999", "$USER": `nothing expands "$"`,
	},
	"signal": {
		"SIGTREM": `did you mean "SIGTERM"?`, "TERMM": `did you mean "SIGTERM"?`, "SIG TERM": `did you mean "SIGTERM"?`, "SIGKILLL": `did you mean "SIGKILL"?`, "-9": `did you mean "9"?`, "SIG15": `did you mean "15"?`,
		"SIGSOMETHING": "want a name", "0": "from 1 to 64", "65": "from 1 to 64", "RTMIN+16": "want a name", "015": `did you mean "15"?`,
	},
	"on_build": {
		"FROM alpine": "does not allow FROM", "maintainer me": "does not allow MAINTAINER", "ONBUILD RUN make": `did you mean "RUN make"?`, "RNU make": `did you mean "RUN make"?`, "COPPY . /app": `did you mean "COPY . /app"?`,
		"make": "make is no instruction", "": "it is empty", "RUN": "RUN has no arguments",
	},
}

// changesOf sets one value.
func changesOf(kind, value string) image.Changes {
	switch kind {
	case "port":
		return image.Changes{ExposedPorts: []string{value}}
	case "env":
		return image.Changes{Env: []string{value}}
	case "volume":
		return image.Changes{Volumes: []string{value}}
	case "dir":
		return image.Changes{WorkingDir: &value}
	case "user":
		return image.Changes{User: &value}
	case "signal":
		return image.Changes{StopSignal: &value}
	default:
		return image.Changes{OnBuild: []string{value}}
	}
}

// TestMistakes: a value that no engine takes is an error that says what was meant, and what it proposes is taken.
func TestMistakes(t *testing.T) {
	base := withConfig(t, content.OCIManifest, pretty)
	for kind, values := range mistakes {
		for value, want := range values {
			changes := changesOf(kind, value)
			_, err := base.With(&changes)
			if !errors.Is(err, content.ErrInvalid) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s %q: got %v, want %q", kind, value, err, want)
				continue
			}
			if _, meant, ok := strings.Cut(err.Error(), `did you mean "`); ok {
				changes := changesOf(kind, strings.TrimSuffix(meant, `"?`))
				if _, err := base.With(&changes); err != nil {
					t.Errorf("%s %q: what it proposes is %v", kind, value, err)
				}
			}
		}
	}
}

// TestNoMistakes: what engines take is taken.
func TestNoMistakes(t *testing.T) {
	base := withConfig(t, content.OCIManifest, pretty)
	for kind, values := range map[string][]string{
		"port": {"80", "80/tcp", "53/UDP", "65535/sctp", "080"}, "env": {"A=", "A=b=c", "a.b-c=d", "ProgramFiles(x86)=x", "A= x ", "_=1"},
		"volume": {"/data", "/a b/c", "/data/"}, "dir": {"", "app", "/a/../b", "a b", "/opt/$x"}, "user": {"", "app", "1000", "1000:1000", "app:", "a.b-c_d", `NT AUTHORITY\SYSTEM`, "0", "2147483647"},
		"signal": {"", "SIGTERM", "sigterm", "TERM", "15", "64", "SIGRTMIN+3", "RTMAX-14", "SIGRTMIN", "SIGWINCH", "9"}, "on_build": {"RUN make", "copy . /app", "  ADD a b", "RUN --mount=type=cache x"},
	} {
		for _, value := range values {
			changes := changesOf(kind, value)
			if _, err := base.With(&changes); err != nil {
				t.Errorf("%s %q: %v", kind, value, err)
			}
		}
	}
}

// TestHealthMistakes: the same of health checks.
func TestHealthMistakes(t *testing.T) {
	base := withConfig(t, content.DockerManifest, pretty)
	for _, c := range []struct {
		test []string
		want string // "" is none
	}{
		{[]string{"curl -f http://localhost/"}, `did you mean ["CMD-SHELL", "curl -f http://localhost/"]?`},
		{[]string{"curl", "-f", "http://localhost/"}, `begins with "curl"; did you mean ["CMD", "curl", "-f", "http://localhost/"]?`},
		{[]string{"/check"}, `did you mean ["CMD", "/check"]?`},
		{[]string{"cmd", "true"}, `did you mean ["CMD", "true"]?`},
		{[]string{"CMD_SHELL", "a | b"}, `did you mean ["CMD-SHELL", "a | b"]?`},
		{[]string{"CMD-SHELL", "curl", "-f", "x"}, `did you mean ["CMD-SHELL", "curl -f x"]?`},
		{[]string{"CMD", "curl -f x"}, `no program is called "curl -f x"; did you mean ["CMD-SHELL", "curl -f x"]?`},
		{[]string{"CMD"}, "too few elements"},
		{[]string{"NONE"}, `write "none"`},
		{[]string{"CMD", "a\x00"}, "NUL"},
		{[]string{"CMD", "/a b"}, ""},
		{[]string{"CMD", "a", "b c"}, ""},
		{[]string{"CMD-SHELL", "a || exit 1"}, ""},
	} {
		_, err := base.With(&image.Changes{Healthcheck: &image.Healthcheck{Test: c.test, StartInterval: time.Second}})
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, content.ErrInvalid) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q: got %v, want %q", c.test, err, c.want)
		}
	}
	_, err := base.With(&image.Changes{Healthcheck: &image.Healthcheck{Test: []string{"x"}, Interval: -1, StartInterval: 1, Retries: -1}})
	for _, want := range []string{`"x"`, "interval -1ns", "start interval 1ns", "-1 retries"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing in: %v", want, err)
		}
	}
}

// TestMeantTime reads times as people write them.
func TestMeantTime(t *testing.T) {
	for text, want := range map[string]string{
		"2024-01-31": "2024-01-31T00:00:00Z", "2024-01-31 12:00:00": "2024-01-31T12:00:00Z", "2024-01-31T12:00": "2024-01-31T12:00:00Z", "2024-01-31 12:00:00+01:00": "2024-01-31T11:00:00Z", "yesterday": "", "": "",
	} {
		if got := image.MeantTime(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
