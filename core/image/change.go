package image

import (
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/imgscript/imgscript/core/content"
)

// Changes is what With changes of an image. A nil field keeps what the base has; one that is empty and not nil says that there is none.
type Changes struct {
	// Entrypoint, when set, takes the base's Cmd away unless Cmd is set too: it was made for the other entrypoint (as Docker does).
	Entrypoint []string
	Cmd        []string
	// Shell and OnBuild are Docker's; OCI configs keep them.
	Shell, OnBuild []string
	// Env has entries NAME=value: a name that exists gets the value in its place, another is added. No name is listed twice.
	Env []string
	// WorkingDir, if relative, is below the base's (as Docker's WORKDIR).
	WorkingDir *string
	// User is a name or a number, with or without ":" and a group.
	User *string
	// StopSignal is a name or a number, "SIGTERM" or "15".
	StopSignal *string
	Author     *string
	// Labels and Annotations are added to those of the base. Annotations go on the manifest, which in Docker's format has none.
	Labels, Annotations map[string]string
	// EntryAnnotations are for the image's entry in an index, IndexAnnotations for the index itself. They change nothing in the image, which keeps them until it is put
	// into one.
	EntryAnnotations, IndexAnnotations map[string]string
	// ExposedPorts has entries PORT[/tcp|udp|sctp]: they replace the base's.
	ExposedPorts []string
	// Volumes are absolute paths, which replace the base's.
	Volumes     []string
	Healthcheck *Healthcheck
	// Created is the time of the config.
	Created *time.Time
}

// With returns the image with changes to its config and annotations; nil changes nothing. A value that is what the base has leaves its
// bytes as they are. All that is wrong is reported together, as [content.ErrInvalid]; annotations of a Docker image are
// [content.ErrUnsupported].
func (img *Image) With(c *Changes) (*Image, error) {
	if c == nil || reflect.ValueOf(*c).IsZero() {
		return img, nil
	}
	if err := c.check(img); err != nil {
		return nil, err
	}
	next, err := img.edit(func(manifest, config *object) error {
		if c.Created != nil {
			config.set("created", encode(timestamp(*c.Created)))
		}
		setText(config, "author", c.Author)
		if err := addAll(manifest, "annotations", c.Annotations); err != nil {
			return err
		}
		return config.edit("config", func(o *object) error { return c.apply(img, o) })
	})
	if err != nil || len(c.EntryAnnotations)+len(c.IndexAnnotations) == 0 {
		return next, err
	}
	placed := *next
	placed.around = next.around.with(c)
	return &placed, nil
}

// OfImage reports whether c changes something in the image itself, and not only what is said about it in an index.
func (c *Changes) OfImage() bool {
	own := *c
	own.EntryAnnotations, own.IndexAnnotations = nil, nil
	return !reflect.ValueOf(own).IsZero()
}

// apply edits the config's object "config".
func (c *Changes) apply(img *Image, o *object) error {
	setText(o, "User", c.User)
	setSet(o, "ExposedPorts", c.ports())
	if err := c.setEnv(img, o); err != nil {
		return err
	}
	cmd := c.Cmd
	if c.Entrypoint != nil && cmd == nil {
		cmd = []string{}
	}
	setList(o, "Entrypoint", c.Entrypoint)
	setList(o, "Cmd", cmd)
	setSet(o, "Volumes", c.volumes(img))
	setText(o, "WorkingDir", c.workingDir(img))
	if err := addAll(o, "Labels", c.Labels); err != nil {
		return err
	}
	setText(o, "StopSignal", c.StopSignal)
	setList(o, "OnBuild", c.OnBuild)
	setList(o, "Shell", c.Shell)
	if c.Healthcheck != nil {
		o.set("Healthcheck", c.Healthcheck.json())
	}
	return nil
}

// setEnv puts each variable in its place. The first of several entries of one name is the place, and the others go.
func (c *Changes) setEnv(img *Image, o *object) error {
	entries, err := parseArray(o.get("Env"))
	if err != nil || c.Env == nil {
		return err
	}
	env := slices.Clone(img.parsed.Config.Env)
	for _, entry := range c.Env {
		name, _, _ := strings.Cut(entry, "=")
		same := func(e string) bool {
			other, _, _ := strings.Cut(e, "=")
			return img.sameVariable(other, name)
		}
		i := slices.IndexFunc(env, same)
		if i < 0 {
			env = append(env, entry)
			continue
		}
		rest := slices.DeleteFunc(slices.Clone(env[i+1:]), same)
		env = append(append(env[:i:i], entry), rest...)
	}
	if len(env) == 0 && len(entries) == 0 {
		return nil
	}
	o.set("Env", merge(joinArray(entries), encode(env)))
	return nil
}

// workingDir resolves a relative directory; Windows has rules of its own, and its paths stay as they are.
func (c *Changes) workingDir(img *Image) *string {
	if c.WorkingDir == nil || *c.WorkingDir == "" || img.windows() {
		return c.WorkingDir
	}
	dir := *c.WorkingDir
	if !path.IsAbs(dir) {
		dir = path.Join("/", img.parsed.Config.WorkingDir, dir)
	}
	dir = path.Clean(dir)
	return &dir
}

func (img *Image) windows() bool { return img.parsed.OS == "windows" }

// ports are the ports as configs have them; nil to keep the base's.
func (c *Changes) ports() []string {
	if c.ExposedPorts == nil {
		return nil
	}
	ports := []string{}
	for _, p := range c.ExposedPorts {
		port, _ := parsePort(p) // checked before
		ports = append(ports, port)
	}
	return ports
}

func (c *Changes) volumes(img *Image) []string {
	if c.Volumes == nil || img.windows() {
		return c.Volumes
	}
	volumes := []string{}
	for _, v := range c.Volumes {
		volumes = append(volumes, path.Clean(v))
	}
	return volumes
}

func setText(o *object, key string, value *string) {
	switch {
	case value == nil:
	case *value == "":
		o.remove(key)
	default:
		o.set(key, encode(*value))
	}
}

func setList(o *object, key string, values []string) {
	switch {
	case values == nil:
	case len(values) == 0:
		o.remove(key)
	default:
		o.set(key, encode(values))
	}
}

// setSet writes a set as configs have it: an object whose keys are its elements, sorted.
func setSet(o *object, key string, elements []string) {
	switch {
	case elements == nil:
	case len(elements) == 0:
		o.remove(key)
	default:
		set := map[string]struct{}{}
		for _, e := range elements {
			set[e] = struct{}{}
		}
		o.set(key, encode(set))
	}
}

// addAll puts each key into the object of texts under key: in its place if it is there, else at the end, sorted.
func addAll(o *object, key string, texts map[string]string) error {
	if len(texts) == 0 {
		return nil
	}
	return o.edit(key, func(o *object) error {
		for _, k := range slices.Sorted(maps.Keys(texts)) {
			o.setExact(k, encode(texts[k]))
		}
		return nil
	})
}

// invalid is one thing that is wrong with Changes.
func invalid(format string, args ...any) error {
	return fmt.Errorf("%w "+format, append([]any{content.ErrInvalid}, args...)...)
}
