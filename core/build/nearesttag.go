package build

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/nearest"
	"github.com/imgscript/imgscript/core/transport"
)

// missingTag is the error for a tag that a repository does not have, with those that it has.
type missingTag struct {
	error
	hint string
}

// Hint names tags that may have been meant.
func (m *missingTag) Hint() string { return m.hint }

// Unwrap returns the answer of the registry or layout.
func (m *missingTag) Unwrap() error { return m.error }

const (
	tagsTimeout = 10 * time.Second // for a list that is only there for a hint
	maxNamed    = 5                // tags that a hint names
)

// withTags adds to the error for a tag that is not there what tags there are, if the repository tells.
func withTags(ctx context.Context, repo content.Repository, ref transport.Reference, err error) error {
	lister, ok := repo.(content.TagLister)
	if !ok || ref.Digest != "" || !errors.Is(err, content.ErrNotFound) {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, tagsTimeout)
	defer cancel()
	tags, listing := lister.Tags(ctx)
	if listing != nil || len(tags) == 0 || slices.Contains(tags, ref.Identifier()) {
		return err
	}
	return &missingTag{err, tagsHint(ref, tags)}
}

func tagsHint(ref transport.Reference, tags []string) string {
	quoted := func(tags []string, sep string) string {
		var list []string
		for _, tag := range tags[:min(len(tags), maxNamed)] {
			list = append(list, strconv.Quote(tag))
		}
		return strings.Join(list, sep)
	}
	meant := ""
	if ref.Tag == "" {
		meant = fmt.Sprintf("a reference without a tag means %q; ", ref.Identifier())
	}
	near := nearest.Names(ref.Identifier(), tags)
	switch {
	case len(near) > 0:
		return meant + "did you mean the tag " + quoted(near, " or ") + "?"
	case len(tags) == 1:
		return meant + "the only tag there is " + quoted(tags, "")
	case len(tags) <= maxNamed:
		return meant + "the tags there are " + quoted(tags, ", ")
	}
	return meant + fmt.Sprintf("there are %d tags, such as %s", len(tags), quoted(tags, ", "))
}
