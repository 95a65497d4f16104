package layout

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgscript/imgscript/core/content"
)

// imageName is the annotation in which containerd and BuildKit keep an image's full name, next to a ref.name that is its tag.
const imageName = "io.containerd.image.name"

// namePattern is the tag of the distribution spec ("Pulling manifests"), or else the grammar of org.opencontainers.image.ref.name (image-spec,
// annotations.md), which leaves out some tags.
var namePattern = regexp.MustCompile(`^(?:\w[\w.-]{0,127}|` + component + `(?:/` + component + `)*)$`)

const component = `[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*`

// maxName bounds names, which the specification does not.
const maxName = 512

// CheckName reports whether name can be given to an image of a layout. It can be every tag of a registry, and what image-spec's
// annotations.md says of org.opencontainers.image.ref.name: letters and digits, with single separators of -._:@+ between them, in
// components divided by slashes. A digest is no name. The error is content.ErrInvalid.
func CheckName(name string) error {
	switch {
	case len(name) > maxName:
		return fmt.Errorf("%w name %.40q…: longer than %d bytes", content.ErrInvalid, name, maxName)
	case !namePattern.MatchString(name):
		return fmt.Errorf("%w name %q: want letters and digits, with single separators of -._:@+ between them", content.ErrInvalid, name)
	case strings.HasPrefix(name, "sha256:"), strings.HasPrefix(name, "sha512:"):
		return fmt.Errorf("%w name %q: it looks like a digest", content.ErrInvalid, name)
	}
	return nil
}

// Resolve implements content.Resolver. name is an image's name, a digest, or empty; see the package's doc for what is found. Not found is
// content.ErrNotFound with the names that there are; what could be several images is another error.
func (l *Layout) Resolve(ctx context.Context, name string) (content.Descriptor, error) {
	x, err := l.index(ctx)
	if err != nil {
		return content.Descriptor{}, err
	}
	desc, err := x.resolve(ctx, l, name)
	if err != nil {
		return content.Descriptor{}, l.errorf("%w", err)
	}
	desc.Annotations = nil // of the entry, not of the image
	return desc, nil
}

func (x *index) resolve(ctx context.Context, src content.Fetcher, name string) (content.Descriptor, error) {
	if name == "" {
		return x.only()
	}
	if d, err := content.ParseDigest(name); err == nil {
		desc, err := x.find(ctx, src, d)
		if errors.Is(err, content.ErrNotFound) {
			return documentOf(ctx, src, d)
		}
		return desc, err
	}
	return x.named(name)
}

// only finds the image of a layout when no name was given.
func (x *index) only() (content.Descriptor, error) {
	images := x.images(func(content.Descriptor) bool { return true })
	switch len(images) {
	case 0:
		return content.Descriptor{}, fmt.Errorf("it has no images: %w", content.ErrNotFound)
	case 1:
		return images[0], nil
	}
	desc, err := x.named("latest")
	if errors.Is(err, content.ErrNotFound) {
		return content.Descriptor{}, fmt.Errorf("it has %d images, none named \"latest\"; name one of %s", len(images), x.names())
	}
	return desc, err
}

// named finds an image by what its entry says, the most exact match first.
func (x *index) named(name string) (content.Descriptor, error) {
	for _, match := range []func(content.Descriptor) bool{
		func(d content.Descriptor) bool { return refName(d) == name },
		func(d content.Descriptor) bool { return d.Annotations[imageName] == name },
		func(d content.Descriptor) bool {
			return tagOf(refName(d)) == name || tagOf(d.Annotations[imageName]) == name
		},
	} {
		images := x.images(match)
		if len(images) == 1 {
			return images[0], nil
		}
		if len(images) > 1 {
			return content.Descriptor{}, fmt.Errorf("%q is the name of %d images; give the digest of one of %s", name, len(images), digests(images))
		}
	}
	return content.Descriptor{}, fmt.Errorf("no image is named %q, it has %s: %w", name, x.names(), content.ErrNotFound)
}

// images returns the images whose entries match, each digest once.
func (x *index) images(match func(content.Descriptor) bool) []content.Descriptor {
	var images []content.Descriptor
	for _, e := range x.entries {
		same := func(d content.Descriptor) bool { return d.Digest == e.desc.Digest }
		if e.isImage() && match(e.desc) && !slices.ContainsFunc(images, same) {
			images = append(images, e.desc)
		}
	}
	return images
}

func refName(desc content.Descriptor) string { return desc.Annotations[ocispec.AnnotationRefName] }

// tagOf returns the tag of a full name such as "docker.io/library/alpine:3.20"; empty if it has none.
func tagOf(name string) string {
	name, _, _ = strings.Cut(name, "@")
	name = name[strings.LastIndex(name, "/")+1:]
	_, tag, _ := strings.Cut(name, ":")
	return tag
}

// most is how many names an error lists.
const most = 10

// names lists the images' names for an error, the digest where there is no name.
func (x *index) names() string {
	var names []string
	for _, e := range x.entries {
		if !e.isImage() {
			continue
		}
		switch name, full := refName(e.desc), e.desc.Annotations[imageName]; {
		case full != "" && (name == "" || name == tagOf(full)):
			names = append(names, fmt.Sprintf("%.200q", full))
		case name != "":
			names = append(names, fmt.Sprintf("%.200q", name))
		default:
			names = append(names, e.desc.Digest.String())
		}
	}
	return join(names)
}

func digests(images []content.Descriptor) string {
	var all []string
	for _, d := range images {
		all = append(all, d.Digest.String())
	}
	return join(all)
}

func join(names []string) string {
	switch {
	case len(names) == 0:
		return "no images"
	case len(names) > most:
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// Tag implements content.Tagger: desc, a manifest or an index that is in the layout, gets the name, which must be one that
// [CheckName] takes. What had the name loses its entry.
func (l *Layout) Tag(ctx context.Context, desc content.Descriptor, name string) error {
	if err := CheckName(name); err != nil {
		return l.errorf("%w", err)
	}
	if !content.IsDocument(desc.MediaType) {
		return l.errorf("tag %q: %w: %s is of type %q, and only manifests and indexes have names", name, content.ErrInvalid, desc.Digest, desc.MediaType)
	}
	if there, err := l.Exists(ctx, desc); err != nil {
		return err
	} else if !there {
		return l.errorf("tag %q: %s: %w", name, desc.Digest, content.ErrNotFound)
	}
	root, err := l.writing(ctx)
	if err != nil {
		return err
	}
	defer root.Close()
	return l.update(ctx, root, func(x *index) error { return x.name(ctx, l, desc, name) })
}

// find looks for a manifest in the list and in the indexes that it names. What cannot be read is not looked into: layouts
// that hold only some platforms of an index are common.
func (x *index) find(ctx context.Context, src content.Fetcher, d digest.Digest) (content.Descriptor, error) {
	seen := map[digest.Digest]bool{}
	var queue []content.Descriptor
	for _, e := range x.entries {
		if e.isImage() {
			queue = append(queue, e.desc)
		}
	}
	for len(queue) > 0 {
		desc := queue[0]
		queue = queue[1:]
		if desc.Digest == d {
			return desc, nil
		}
		if !content.IsIndex(desc.MediaType) || seen[desc.Digest] {
			continue
		}
		seen[desc.Digest] = true
		children, err := childrenOf(ctx, src, desc)
		if err != nil && ctx.Err() != nil {
			return content.Descriptor{}, context.Cause(ctx)
		}
		queue = append(queue, children...)
	}
	return content.Descriptor{}, fmt.Errorf("%s: %w", d, content.ErrNotFound)
}

// childrenOf returns what the index desc contains.
func childrenOf(ctx context.Context, src content.Fetcher, desc content.Descriptor) ([]content.Descriptor, error) {
	data, err := content.ReadAll(ctx, src, desc)
	if err != nil {
		return nil, err
	}
	doc, err := content.ParseDocument(desc.MediaType, data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", desc.Digest, err)
	}
	return doc.Manifests, nil
}

// documentOf describes the manifest d of the blobs, which no list names: its bytes say what it is. A blob of another kind is not found.
func documentOf(ctx context.Context, src content.Fetcher, d digest.Digest) (content.Descriptor, error) {
	data, err := content.ReadAll(ctx, src, content.Descriptor{Digest: d, Size: -1})
	if err != nil {
		return content.Descriptor{}, err
	}
	doc, err := content.ParseDocument("", data)
	if err != nil {
		return content.Descriptor{}, fmt.Errorf("%s is a blob and no image (%w): %w", d, err, content.ErrNotFound)
	}
	return content.Descriptor{MediaType: doc.MediaType, Digest: d, Size: int64(len(data))}, nil
}
