package starlib

import (
	"errors"
	"fmt"
	"slices"

	"go.starlark.net/starlark"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/image"
)

// platformsArg is a list of platforms, or "all"; nil is not given.
type platformsArg []string

// Unpack implements starlark.Unpacker.
func (p *platformsArg) Unpack(v starlark.Value) error {
	if s, ok := starlark.AsString(v); ok {
		if s != build.AllPlatforms {
			return wanted(`a list of platforms or "all"`, v, listOf(v))
		}
		*p = platformsArg{s}
		return nil
	}
	if err := storeStrings(v, (*[]string)(p)); err != nil {
		if w := (*wantError)(nil); errors.As(err, &w) && w.path == "" {
			w.want = `a list of platforms or "all"`
		}
		return err
	}
	if slices.Contains(*p, build.AllPlatforms) {
		return withHint(fmt.Errorf("%q stands for all platforms, and not in a list", build.AllPlatforms), `write platforms = "all"`)
	}
	return nil
}

// platforms is the attribute of that name.
func (i *imageValue) platforms() (starlark.Value, error) {
	names, err := i.b.Platforms(i.s.here())
	if err != nil {
		return nil, i.s.waitError("platforms", err)
	}
	return frozenStrings(names), nil
}

type onArgs struct {
	Platform string `arg:"platform"`
}

func (i *imageValue) on(thread *starlark.Thread, a *onArgs) (starlark.Value, error) {
	b, err := i.b.On(here(thread), a.Platform)
	if err != nil {
		return nil, i.s.waitError("on", err)
	}
	names, err := b.Platforms(here(thread))
	if err != nil {
		return nil, i.s.waitError("on", err)
	}
	for _, m := range i.kin.members {
		if m.platform == names[0] {
			return m, nil
		}
	}
	all, err := i.kin.members[0].b.Platforms(here(thread))
	if err != nil {
		return nil, i.s.waitError("on", err)
	}
	i.kin.one = len(all) == 1
	return i.view(b, names[0]), nil
}

// view makes a script's value of a view, one for each platform.
func (i *imageValue) view(b *build.Image, platform string) *imageValue {
	v := i.s.wrap(b)
	v.platform, v.template, v.kin = platform, i.template, i.kin
	i.kin.members = append(i.kin.members, v)
	if i.frozen {
		v.Freeze()
	}
	return v
}

// kin are an image and the views of its platforms.
type kin struct {
	members []*imageValue // the image first
	last    *imageValue   // the one whose attributes the image underneath was told last
	data    map[string]*imageData
	one     bool // the image has one platform, which its view shares
}

// flushKin tells the image underneath what the script has set on the other members, which comes before what is about to be set on this one.
func (i *imageValue) flushKin() error {
	for _, m := range i.kin.members {
		if m == i {
			continue
		}
		if err := m.flushOwn(); err != nil {
			return err
		}
	}
	return nil
}

// tell remembers what the image underneath is told of one member: what it was told of another before is there for good then.
func (k *kin) tell(i *imageValue, now state) {
	if k.last != nil && k.last != i {
		k.last.commit()
	}
	k.last, i.told = i, now
}

// keepCommand keeps the command that was set on the image when the entrypoint is set on a view, and those of views when it is set on the image: setting the entrypoint clears the base's command, and
// that is none of the base.
func (i *imageValue) keepCommand(c *image.Changes) {
	if c.Entrypoint == nil {
		return
	}
	whole := i.kin.members[0]
	if i != whole && c.Cmd == nil {
		c.Cmd = whole.told.list("cmd")
		return
	}
	for _, v := range i.kin.members[1:] {
		delete(v.committed.set, "cmd") // it is told again, on top
	}
}

// commit says that the image underneath has what it was told for good.
func (i *imageValue) commit() { i.committed, i.sent = i.told, "" }

// data are the dicts of get_image_config and get_image_data, nil until they are asked for.
func (i *imageValue) data() *imageData { return i.kin.data[i.dataOf()] }

func (i *imageValue) setData(d *imageData) {
	if i.kin.data == nil {
		i.kin.data = map[string]*imageData{}
	}
	i.kin.data[i.dataOf()] = d
}

// dataOf tells the dicts of different platforms apart.
func (i *imageValue) dataOf() string {
	if i.kin.one {
		return ""
	}
	return i.platform
}
