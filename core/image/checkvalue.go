package image

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/imgscript/imgscript/core/nearest"
)

// looseEnv finds a name and a value in what people write for NAME=value: "A B" of a Dockerfile, "A: b" of YAML, "export A=b" of a shell.
var looseEnv = regexp.MustCompile(`^\s*(?:(?:export|set|ENV|-e)\s+)?([A-Za-z_][\w.-]*)(?:\s*[=:]\s*|\s+)(\S.*)$`)

func checkEnv(s string) error {
	name, _, ok := strings.Cut(s, "=")
	meant := ""
	if m := looseEnv.FindStringSubmatch(s); m != nil {
		meant = m[1] + "=" + m[2]
	}
	switch {
	case !ok && meant != "":
		return meaning(meant, "want NAME=value")
	case !ok:
		return errors.New(`want NAME=value; NAME= sets it to the empty text`)
	case name == "":
		return errors.New("the name is empty")
	case strings.ContainsFunc(name, unicode.IsSpace):
		return meaning(meant, "the name %q has a space", name)
	default:
		return checkText(s)
	}
}

func protocols() []string { return []string{"tcp", "udp", "sctp"} }

func checkPort(s string) error {
	_, err := parsePort(s)
	return err
}

// parsePort reads PORT[/PROTOCOL] and returns it with its protocol, as Docker writes it.
func parsePort(s string) (string, error) {
	number, protocol, ok := strings.Cut(s, "/")
	if !ok {
		protocol = "tcp"
	}
	protocol = strings.ToLower(protocol)
	n, err := strconv.ParseUint(number, 10, 16)
	switch {
	case strings.Contains(number, "-"):
		return "", errors.New("a config has no ranges; list each port")
	case strings.Contains(s, ":"):
		return "", meaning(meantPort(s), "a port of the host is for who runs the image, as docker run -p has it")
	case err != nil || n == 0:
		return "", meaning(meantPort(s), "want a number from 1 to 65535, such as \"8080/tcp\"")
	case !slices.Contains(protocols(), protocol):
		return "", meaning(meantPort(s), "the protocol %q is none of tcp, udp and sctp", protocol)
	}
	return strconv.FormatUint(n, 10) + "/" + protocol, nil
}

// loosePort finds the container's port and the protocol in what docker run -p takes and in misspellings, swappedPort in "tcp/80".
var (
	loosePort   = regexp.MustCompile(`^\s*(?:[\w.\[\]:-]*:)?(\d+)\s*[/: ]?\s*([a-z0-9]*)\s*$`)
	swappedPort = regexp.MustCompile(`^\s*([a-z]+)\s*[/: ]\s*(\d+)\s*$`)
)

// meantPort is the port that a text was probably meant for, or "".
func meantPort(s string) string {
	s = strings.ToLower(s)
	switch strings.TrimSpace(s) {
	case "http":
		return "80/tcp"
	case "https":
		return "443/tcp"
	}
	number, protocol := "", ""
	if m := swappedPort.FindStringSubmatch(s); m != nil {
		number, protocol = m[2], m[1]
	} else if m := loosePort.FindStringSubmatch(s); m != nil {
		number, protocol = m[1], m[2]
	}
	if protocol == "" {
		protocol = "tcp"
	}
	meant := number + "/" + nearest.Name(protocol, protocols())
	if slices.Contains(protocols(), protocol) {
		meant = number + "/" + protocol
	}
	if _, err := strconv.ParseUint(number, 10, 16); err != nil || strings.HasSuffix(meant, "/") || strings.Trim(number, "0") == "" {
		return ""
	}
	return meant
}

// windowsPath is one with a drive.
var windowsPath = regexp.MustCompile(`^[A-Za-z]:[\\/]`)

// checkDir looks at a directory of an image that is not for Windows.
func checkDir(s string) error {
	switch {
	case windowsPath.MatchString(s):
		return meaning(path.Join("/", strings.ReplaceAll(s[2:], `\`, "/")), "that is a path of Windows, for which the image is not")
	case strings.HasPrefix(s, "~"), strings.HasPrefix(s, "$"):
		return fmt.Errorf("nothing expands %q; write the path that it stands for", s[:1])
	}
	return nil
}

// mountedVolume is what docker run -v takes: a source, the path and its mode.
var mountedVolume = regexp.MustCompile(`^[^:]*:(/[^:]*)(?::[a-zA-Z,]+)?$`)

func checkVolume(s string) error {
	if m := mountedVolume.FindStringSubmatch(s); m != nil {
		return meaning(m[1], "what is mounted is for who runs the image to say, as docker run -v has it")
	}
	if err := checkDir(s); err != nil {
		return err
	}
	switch {
	case !path.IsAbs(s):
		return fmt.Errorf("a volume's path is absolute: %q", path.Join("/", s))
	case path.Clean(s) == "/":
		return errors.New("the root can't be a volume")
	default:
		return checkText(s)
	}
}

// maxID is the largest number of a user or group that runc takes.
const maxID = 1<<31 - 1

// checkUser looks at NAME or NUMBER, with or without ":" and a group. Names of Windows, DOMAIN\NAME, may have spaces.
func checkUser(s string) error {
	if err := checkText(s); err != nil || strings.Contains(s, `\`) {
		return err
	}
	tight := strings.Join(strings.Fields(s), "")
	switch parts := strings.Split(s, ":"); {
	case strings.HasPrefix(s, "$"):
		return errors.New(`nothing expands "$"; write the user that it stands for`)
	case len(parts) > 2:
		return meaning(parts[0]+":"+parts[1], "want USER or USER:GROUP")
	case tight != s:
		return meaning(tight, "it has a space; want USER or USER:GROUP")
	case len(parts) == 2 && parts[0] == "" && parts[1] != "":
		return meaning("0"+s, "the user is missing before the group")
	default:
		for _, part := range parts {
			if n, err := strconv.ParseInt(part, 10, 64); (err == nil || errors.Is(err, strconv.ErrRange)) && (n < 0 || n > maxID) {
				return fmt.Errorf("the number %s is not from 0 to %d", part, maxID)
			}
		}
	}
	return nil
}

// signals are the names that Docker and Podman know, without SIG.
func signals() []string {
	return strings.Fields(`ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT RTMAX RTMIN SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ`)
}

// realTime matches the signals that are counted from the first or the last of a range (signal(7)).
var realTime = regexp.MustCompile(`^(RTMIN\+|RTMAX-)([1-9]|1[0-5])$`)

// maxSignal is the highest number of a signal on Linux.
const maxSignal = 64

func checkSignal(s string) error {
	name := strings.TrimPrefix(strings.ToUpper(s), "SIG")
	if s == "" || slices.Contains(signals(), name) || realTime.MatchString(name) {
		return nil
	}
	if n, err := strconv.Atoi(s); err == nil && n > 0 && n <= maxSignal && strconv.Itoa(n) == s {
		return nil
	}
	return meaning(meantSignal(name), "want a name, such as \"SIGTERM\", or a number from 1 to %d", maxSignal)
}

// meantSignal is the signal that a name, in upper case and without SIG, was probably meant for, or "".
func meantSignal(name string) string {
	name = strings.TrimPrefix(strings.Trim(name, " \t-"), "SIG")
	if n, err := strconv.Atoi(name); err == nil {
		if n > 0 && n <= maxSignal {
			return strconv.Itoa(n)
		}
		return ""
	}
	full := signals()
	for i := range full {
		full[i] = "SIG" + full[i]
	}
	return nearest.Name("SIG"+name, full)
}

// triggers are the instructions that ONBUILD may have, and those that it may not (docs.docker.com/reference/dockerfile, "ONBUILD").
func triggers() []string {
	return strings.Fields("ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL RUN SHELL STOPSIGNAL USER VOLUME WORKDIR")
}

func checkInstruction(s string) error {
	if err := checkText(s); err != nil {
		return err
	}
	words := strings.Fields(s)
	if len(words) == 0 {
		return errors.New("it is empty; want an instruction, such as \"RUN make\"")
	}
	word := strings.ToUpper(words[0])
	rest := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(s), words[0]))
	switch {
	case word == "ONBUILD":
		return meaning(rest, "what is run is the instruction alone")
	case word == "FROM" || word == "MAINTAINER":
		return fmt.Errorf("a Dockerfile does not allow %s there", word)
	case !slices.Contains(triggers(), word):
		meant := nearest.Name(word, triggers())
		if meant != "" {
			meant = strings.TrimSpace(meant + " " + rest)
		}
		return meaning(meant, "%s is no instruction of a Dockerfile", words[0])
	case rest == "":
		return fmt.Errorf("%s has no arguments", word)
	}
	return nil
}
