package build

import (
	"context"
	"errors"
	"slices"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/transport"
)

// earlier are the saves and copies before a base in program order that it may be the result of.
type earlier []*step

// noteTags remembers what a step is going to name, for the bases that come after it.
func (r *Run) noteTags(ref transport.Reference, tags []string, s *step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, tag := range tags {
		name := tagName{r.locationOf(ref), tag}
		r.tagged[name] = append(r.tagged[name], s)
	}
}

// tagName is a tag in a repository.
type tagName struct{ location, tag string }

// anyTag stands for the tags of a step that does not know them yet.
const anyTag = "*"

// earlierThan returns the steps so far that may name what a reference means: those that move its tag, or, without one, all to its repository.
func (r *Run) earlierThan(ref transport.Reference) earlier {
	location := r.locationOf(ref)
	if tag := ref.Identifier(); tag != "" && ref.Digest == "" {
		r.mu.Lock()
		defer r.mu.Unlock()
		return slices.Concat(r.tagged[tagName{location, tag}], r.tagged[tagName{location, anyTag}])
	}
	return r.earlierTo(location)
}

// earlierTo returns the steps so far that write to a repository.
func (r *Run) earlierTo(location string) earlier {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.saves[location])
}

func (e earlier) wait(ctx context.Context) error {
	for _, s := range e {
		if err := s.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// read reads the document that a reference names. A tag means what the program gave it before. A digest means the same always, so it waits for a save only if it
// is not there without.
func (e earlier) read(ctx context.Context, repo content.Repository, ref transport.Reference) (content.Descriptor, []byte, error) {
	if ref.Digest != "" {
		desc, data, err := content.ReadDocument(ctx, repo, ref.Identifier())
		if len(e) == 0 || !errors.Is(err, content.ErrNotFound) {
			return desc, data, err
		}
	}
	if err := e.wait(ctx); err != nil {
		return content.Descriptor{}, nil, err
	}
	return content.ReadDocument(ctx, repo, ref.Identifier())
}
