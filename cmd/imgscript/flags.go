package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/core/image"
)

// runFlags are the flags of run as they were given.
type runFlags struct {
	vars     []string
	secrets  []string
	root     string
	platform string
	epoch    string
	jobs     int
	cache    cacheFlags
	registry registryFlags
	permit   permissionFlags
	output   outputFlags
	limits   limitFlags
	report   reportFlags
	lock     lockFlags
}

func (f *runFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVar(&f.vars, "var", nil, "`NAME=VALUE` is what var(NAME) gives (repeatable; the last one counts)")
	flags.StringArrayVar(&f.secrets, "secret", nil, "`NAME=SOURCE` is what secret(NAME) stands for; SOURCE is env:VARIABLE or file:PATH (repeatable)")
	flags.StringVar(&f.root, "root", "", "`DIR` outside of which nothing local is read or written unless a flag allows it (default: the nearest directory at or above the script with imgscript.lock, else with .git, else the script's)")
	flags.StringVar(&f.platform, "platform", "", "`OS/ARCH` that indexes are picked by (default: linux/amd64, on every machine)")
	flags.StringVar(&f.epoch, "epoch", "", "`TIME` of files and images, in Unix seconds or RFC 3339 (default: $SOURCE_DATE_EPOCH, else 0)")
	flags.IntVar(&f.jobs, "jobs", 0, "build layers on `N` processors (default: all)")
	f.lock.add(cmd)
	f.cache.add(cmd)
	f.registry.add(cmd)
	f.permit.add(cmd)
	f.output.add(cmd, "saved")
	f.report.add(cmd)
	f.limits.add(cmd)
	complete(cmd, "platform", "linux/amd64", "linux/arm64")
	_ = cmd.MarkFlagDirname("root")
}

// check refuses values that no run could use, before anything is done.
func (f *runFlags) check(given func(flag string) bool) error {
	if given("jobs") && f.jobs < 1 {
		return usagef("--jobs %d: want 1 or more", f.jobs)
	}
	if err := f.cache.check(given); err != nil {
		return err
	}
	if err := f.report.check(given); err != nil {
		return err
	}
	if err := checkPlatform(f.platform); f.platform != "" && err != nil {
		return err
	}
	if err := f.output.check(); err != nil {
		return err
	}
	return f.registry.check()
}

func checkPlatform(platform string) error {
	if _, err := image.ParsePlatform(platform); err != nil {
		return usagef("--platform %q: want OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, such as linux/arm64", platform)
	}
	return nil
}

// variables reads the values of --var.
func variables(given []string) (map[string]string, error) {
	vars := map[string]string{}
	for _, text := range given {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, usagef("--var %q: want NAME=VALUE", text)
		}
		vars[name] = value
	}
	return vars, nil
}

// secrets reads the values of --secret. The secrets themselves are read when a script uses them, and their values are in no message.
func secrets(given []string) (map[string]func(context.Context) ([]byte, error), error) {
	all := map[string]func(context.Context) ([]byte, error){}
	for _, text := range given {
		name, from, _ := strings.Cut(text, "=")
		kind, source, ok := strings.Cut(from, ":")
		switch {
		case name == "" || !ok || source == "" || kind != "env" && kind != "file":
			// What was given may be the secret itself.
			return nil, usagef("--secret %s: want NAME=env:VARIABLE or NAME=file:PATH", name).
				withHint("the secret itself is not given here, where every user of the machine could see it")
		case all[name] != nil:
			return nil, usagef("--secret %s is given twice", name)
		case kind == "env":
			all[name] = func(context.Context) ([]byte, error) { return secretFromEnv(source) }
		default:
			all[name] = func(context.Context) ([]byte, error) { return secretFromFile(source) }
		}
	}
	return all, nil
}

func secretFromEnv(name string) ([]byte, error) {
	value, ok := os.LookupEnv(name)
	if !ok {
		return nil, fmt.Errorf("the environment has no variable %s", name)
	}
	return []byte(value), nil
}

// secretFromFile drops one newline at the end, which editors and echo put there and which no credential has.
func secretFromFile(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r")), nil
}

// epoch is the time of a run: the flag's, else that of SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/), else 1970.
func epoch(flag, environment string) (time.Time, error) {
	if flag != "" {
		if t, err := time.Parse(time.RFC3339, flag); err == nil && t.Unix() >= 0 {
			return t, nil
		}
		if t, ok := unixSeconds(flag); ok {
			return t, nil
		}
		return time.Time{}, usagef("--epoch %q: want seconds since 1970, or a time such as 2024-05-01T12:00:00Z", flag)
	}
	if environment == "" {
		return time.Unix(0, 0), nil
	}
	t, ok := unixSeconds(environment)
	if !ok {
		return time.Time{}, usagef("SOURCE_DATE_EPOCH is %q: want seconds since 1970", environment).withHint("unset it, or give --epoch")
	}
	return t, nil
}

// lastSecond is the end of the year 9999, beyond which RFC 3339, and so an image's config, knows no times.
const lastSecond = 253402300799

func unixSeconds(text string) (time.Time, bool) {
	n, err := strconv.ParseUint(text, 10, 63)
	return time.Unix(int64(n), 0), err == nil && n <= lastSecond
}
