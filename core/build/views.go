package build

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
)

// Platforms lists the platforms that a change of the image applies to, in the order in which they were asked for or in which the base has them; of a view its one. It waits for the
// base where that has a say.
func (i *Image) Platforms(at Origin) ([]string, error) {
	list, err := i.platforms(at, "platforms")
	var names []string
	for _, p := range list {
		names = append(names, p.String())
	}
	return names, err
}

func (i *Image) platforms(at Origin, op string) ([]image.Platform, error) {
	list := i.base.list
	if list == nil && i.base.given {
		list = []image.Platform{i.base.platform}
	}
	if list == nil {
		f, err := i.family(at, op)
		if err != nil {
			return nil, err
		}
		for _, m := range f.members {
			list = append(list, m.platform)
		}
	}
	if i.only != everyBranch {
		list = list[i.only : i.only+1]
	}
	return list, nil
}

// family waits for the images of the base.
func (i *Image) family(at Origin, op string) (*family, error) {
	reading := i.base.family()
	found := async(i.run, at, op, false, []*step{reading.step}, func(ctx context.Context, _ *step) (*family, error) { return reading.get(ctx) })
	return found.Wait()
}

// On returns a view of one platform of the image, which must have it: what is done to the view is done to that platform of the image, in program order with what is done to all of it. Saving or
// forking it takes that platform alone. An image of one platform has a view of that. A version of the system may be left out where there is only one.
func (i *Image) On(at Origin, platform string) (*Image, error) {
	p, err := image.ParsePlatform(platform)
	if err != nil {
		return nil, err
	}
	list, err := i.platforms(at, "on")
	if err != nil {
		return nil, err
	}
	var found []int
	for k, have := range list {
		if p.Names(have) {
			found = append(found, k)
		}
	}
	if len(found) != 1 {
		return nil, noView(p, list, found)
	}
	view := *i
	view.chosen = true
	if view.only == everyBranch {
		view.only = branch(found[0])
	}
	return &view, nil
}

// noView is the error for a platform of which there is none in the image, or more than one.
func noView(p image.Platform, list []image.Platform, found []int) error {
	if len(found) == 0 {
		return fmt.Errorf("platform %s: %w: the image has %s", p, content.ErrNotFound, joined(list))
	}
	var several []image.Platform
	for _, k := range found {
		several = append(several, list[k])
	}
	return fmt.Errorf("platform %s: the image has %d: %s", p, len(found), joined(several))
}

func joined(list []image.Platform) string {
	var names []string
	for _, p := range list {
		names = append(names, p.String())
	}
	return strings.Join(names, ", ")
}

// one is the branch of what belongs to one platform: that of a view, or the only one.
func (i *Image) one(at Origin, op string) (branch, error) {
	if i.only != everyBranch {
		return i.only, nil
	}
	if !i.base.several() {
		return 0, nil
	}
	list, err := i.platforms(at, op)
	if err == nil && len(list) > 1 {
		err = &severalError{op, list}
	}
	return 0, err
}

// severalError is a question about an image of several platforms that each of them may answer in another way.
type severalError struct {
	op        string
	platforms []image.Platform
}

// Error implements error.
func (e *severalError) Error() string {
	return fmt.Sprintf("the image is of several platforms, each of which has its own: %s", joined(e.platforms))
}

// Hint says how to ask one.
func (e *severalError) Hint() string {
	return fmt.Sprintf("ask for one of them: img.on(%q).%s(…)", e.platforms[0], e.op)
}

// present is an image as it was at some moment: on every platform that it has, or on one.
type present struct {
	node *node
	only branch
}

// present is the image as it is now.
func (i *Image) present() present { return present{i.state(), i.only} }

// needs lists the steps that it waits for.
func (p present) needs() []*step { return p.node.needs(p.only) }

// family are the images of its base.
func (p present) family(ctx context.Context) (*family, error) {
	return p.base().family().get(ctx)
}

// base is what it starts from.
func (p present) base() *base {
	n := p.node
	for n.parent != nil {
		n = n.parent
	}
	return n.base
}

// branches are those of a family that it is of.
func (p present) branches(f *family) []branch {
	if p.only != everyBranch {
		return []branch{p.only}
	}
	var all []branch
	for k := range f.members {
		all = append(all, branch(k))
	}
	return all
}

// became is what became of an image of a base.
type became struct {
	member
	branch branch
	after  *image.Image
}

// images works out what became of each image, as it is saved.
func (p present) images(ctx context.Context) (*family, []became, error) {
	f, err := p.family(ctx)
	if err != nil {
		return nil, nil, err
	}
	images, err := inParallel(ctx, p.branches(f), func(ctx context.Context, b branch) (became, error) {
		after, err := p.node.image(ctx, b)
		if base := p.base(); err == nil && ofDocker(base.ref) {
			after, err = base.run.compressLayers(ctx, f.members[b].image, after)
		}
		return became{f.members[b], b, after}, err
	})
	return f, images, err
}

// on is the image of a platform, for what is put together of several images: of an image of one platform that one, whatever it is.
func (p present) on(ctx context.Context, platform image.Platform) (*image.Image, error) {
	f, err := p.family(ctx)
	if err != nil {
		return nil, err
	}
	all := p.branches(f)
	if len(all) == 1 {
		return p.node.image(ctx, all[0])
	}
	if k := slices.IndexFunc(all, func(b branch) bool { return f.members[b].platform == platform }); k >= 0 {
		return p.node.image(ctx, all[k])
	}
	return nil, fmt.Errorf("platform %s: %w: the other image has %s", platform, content.ErrNotFound, strings.Join(f.names(), ", "))
}
