package image

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
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
	errs = append(errs, checkEach("exposed port", c.ExposedPorts, checkPort)...)
	if !img.windows() {
		errs = append(errs, checkEach("volume", c.Volumes, checkVolume)...)
		errs = append(errs, checkOne("working directory", c.WorkingDir, checkDir)...)
	}
	errs = append(errs, checkOne("user", c.User, checkUser)...)
	errs = append(errs, checkOne("stop signal", c.StopSignal, checkSignal)...)
	errs = append(errs, checkEach("on_build", c.OnBuild, checkInstruction)...)
	errs = append(errs, c.checkTexts()...)
	if c.Healthcheck != nil {
		errs = append(errs, c.Healthcheck.check()...)
	}
	if c.Created != nil && (c.Created.UTC().Year() < 0 || c.Created.UTC().Year() > 9999) {
		errs = append(errs, invalid("created: the year %d can't be written", c.Created.UTC().Year()))
	}
	return errors.Join(errs...)
}

// checkTexts looks at what may hold any text but NUL bytes, which end a string for the kernel.
func (c *Changes) checkTexts() []error {
	errs := append(checkOne("working directory", c.WorkingDir, checkText), checkOne("author", c.Author, checkText)...)
	for _, l := range []struct {
		what string
		list []string
	}{{"cmd", c.Cmd}, {"entrypoint", c.Entrypoint}, {"shell", c.Shell}} {
		errs = append(errs, checkEach(l.what, l.list, checkText)...)
	}
	return errs
}

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

// checkOne is checkEach for a text that may not be set.
func checkOne(what string, text *string, check func(string) error) []error {
	if text == nil {
		return nil
	}
	return checkEach(what, []string{*text}, check)
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

// meaning is an error that says what was probably meant; "" is nothing that anybody knows.
func meaning(meant, reason string, args ...any) error {
	err := fmt.Errorf(reason, args...)
	if meant == "" {
		return err
	}
	return fmt.Errorf("%w; did you mean %q?", err, meant)
}
