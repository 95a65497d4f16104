package starlib

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/nearest"
)

// toHealthcheck takes a struct or "none".
func toHealthcheck(v starlark.Value) (starlark.Value, error) {
	_, err := healthcheck(v)
	return v, err
}

func healthcheck(v starlark.Value) (*image.Healthcheck, error) {
	text, isText := starlark.AsString(v)
	if isText && text == "none" {
		return &image.Healthcheck{None: true}, nil
	}
	s, ok := v.(*starlarkstruct.Struct)
	if !ok {
		write := ""
		switch {
		case isText && strings.EqualFold(text, "none"):
			write = `"none"`
		case isText:
			write = "struct(test = " + testOf(text) + ")"
		}
		return nil, wanted(`struct(test = […], interval = "30s", …) or "none"`, v, write)
	}
	h := &image.Healthcheck{}
	var wrong []error
	hasTest := false
	for _, name := range s.AttrNames() {
		field, err := s.Attr(name)
		if err != nil {
			return nil, err
		}
		hasTest = hasTest || name == "test"
		if err := setHealth(h, name, field); err != nil {
			wrong = append(wrong, &argumentError{error: fmt.Errorf("%s: %w", name, err), path: "." + name})
		}
	}
	if !hasTest || len(wrong) == 0 && len(h.Test) == 0 {
		wrong = append(wrong, withHint(errors.New("test is missing"), `write struct(test = ["CMD", "curl", "-f", "http://localhost/"])`))
	}
	return h, together(wrong)
}

// healthFields are what the struct of a health check has.
func healthFields() []string {
	return []string{"test", "interval", "timeout", "start_period", "start_interval", "retries"}
}

func setHealth(h *image.Healthcheck, name string, v starlark.Value) (err error) {
	switch name {
	case "test":
		if command, ok := starlark.AsString(v); ok {
			return wanted("a list of strings", v, testOf(command))
		}
		return storeStrings(v, &h.Test)
	case "interval":
		h.Interval, err = duration(v)
	case "timeout":
		h.Timeout, err = duration(v)
	case "start_period":
		h.StartPeriod, err = duration(v)
	case "start_interval":
		h.StartInterval, err = duration(v)
	case "retries":
		if text, ok := starlark.AsString(v); ok {
			if _, err := strconv.ParseUint(text, 10, 31); err == nil {
				return wanted("an int", v, text)
			}
		}
		var n int64
		n, err = toInt(v)
		h.Retries = int(n)
	default:
		if near := nearest.Name(name, healthFields()); near != "" {
			return fmt.Errorf("there is no such field; did you mean %s?", near)
		}
		return errors.New("there are " + strings.Join(healthFields(), ", "))
	}
	return err
}

// testOf shows how a test that was given as one text is written.
func testOf(command string) string {
	words := strings.Fields(command)
	switch {
	case len(command) > 60 || len(words) == 0:
		return `["CMD-SHELL", "…"]`
	case len(words) == 1:
		return fmt.Sprintf(`["CMD", %q]`, command)
	}
	return fmt.Sprintf(`["CMD-SHELL", %q]`, command)
}

func duration(v starlark.Value) (time.Duration, error) {
	s, ok := starlark.AsString(v)
	if !ok {
		return 0, wanted(`a duration such as "30s"`, v, durationText(v))
	}
	d, err := time.ParseDuration(s)
	meant := meantDuration(s)
	switch {
	case err == nil && d >= 0:
		return d, nil
	case err == nil:
		return 0, fmt.Errorf("%q is less than nothing; write it as \"30s\" or \"1m30s\"", s)
	case meant != "":
		return 0, fmt.Errorf("%q is no duration; write %q", s, meant)
	}
	return 0, fmt.Errorf(`%q is no duration; write it as "30s" or "1m30s"`, s)
}

// looseDuration is a number with a unit, or without, as people write it.
var looseDuration = regexp.MustCompile(`^([0-9]*\.?[0-9]+) *([a-z]*)$`)

// meantDuration is the duration that a text was probably meant for, or "".
func meantDuration(s string) string {
	m := looseDuration.FindStringSubmatch(strings.ToLower(strings.TrimSpace(s)))
	if m == nil {
		return ""
	}
	unit := m[2]
	switch {
	case strings.HasPrefix("seconds", unit) || unit == "secs": // "" too
		unit = "s"
	case strings.HasPrefix("minutes", unit) || unit == "mins":
		unit = "m"
	case strings.HasPrefix("hours", unit) || unit == "hr" || unit == "hrs":
		unit = "h"
	case unit == "ms" || unit == "msec" || strings.HasPrefix("milliseconds", unit):
		unit = "ms"
	default:
		return ""
	}
	return m[1] + unit
}

func durationText(v starlark.Value) string {
	if i, ok := v.(starlark.Int); ok {
		return strconv.Quote(i.String() + "s")
	}
	return ""
}
