package build

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/layer"
)

// Compare returns what differs between what two runs of one program saved, or, with Options.Plan, would have; nothing where every manifest, config and layer is the same.
// Each difference is a line that begins with the image: `reg.example/app: layer add_files({"/app": "//dist"}): /app/a.js: mode 0644, then 0755`. Blobs that differ are read where the runs have them:
// their engines must be open.
func Compare(ctx context.Context, first, second *Report) ([]string, error) {
	c := &comparison{ctx: ctx, src: pair[map[digest.Digest]content.Fetcher]{first.made, second.made}}
	for i := range max(len(first.Saved), len(second.Saved)) {
		switch {
		case i >= len(second.Saved):
			c.differ(first.Saved[i].Target, "only the first run saves it")
		case i >= len(first.Saved):
			c.differ(second.Saved[i].Target, "only the second run saves it")
		default:
			if err := c.saved(first.Saved[i], second.Saved[i]); err != nil {
				return nil, err
			}
		}
	}
	c.writes(first.Plan, second.Plan)
	return c.found, nil
}

// comparison is one call of Compare.
type comparison struct {
	ctx   context.Context
	src   pair[map[digest.Digest]content.Fetcher] // of what was saved
	found []string
}

// maxDifferences is how many differences are told of one document or layer.
const maxDifferences = 10

// differ notes what differs in one place.
func (c *comparison) differ(place string, what ...string) {
	for i, w := range what {
		if i == maxDifferences {
			c.found = append(c.found, fmt.Sprintf("%s: and %d more differences", place, len(what)-i))
			return
		}
		c.found = append(c.found, place+": "+w)
	}
}

// saved compares two images.
func (c *comparison) saved(a, b Saved) error {
	if a.Target != b.Target || !slices.Equal(a.Tags, b.Tags) {
		c.differ(a.Target, fmt.Sprintf("saved as %s %v, then as %s %v", a.Target, a.Tags, b.Target, b.Tags))
	}
	if a.Digest == b.Digest {
		return nil
	}
	before := len(c.found)
	src := pair[content.Fetcher]{c.src.a[a.Digest], c.src.b[b.Digest]}
	desc := pair[content.Descriptor]{a: content.Descriptor{MediaType: a.MediaType, Digest: a.Digest, Size: -1}, b: content.Descriptor{MediaType: b.MediaType, Digest: b.Digest, Size: -1}}
	if err := c.document(a.Target, src, desc); err != nil {
		return fmt.Errorf("compare %s and %s: %w", a.Reference(), b.Reference(), err)
	}
	if len(c.found) == before {
		c.differ(a.Target, fmt.Sprintf("%s, then %s", a.Digest, b.Digest))
	}
	return nil
}

// noteMade remembers where what was saved can be read again.
func (r *Run) noteMade(saved digest.Digest, src content.Fetcher) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.made == nil {
		r.made = map[digest.Digest]content.Fetcher{}
	}
	r.made[saved] = src
}

// pair is something of both runs.
type pair[T any] struct{ a, b T }

// document compares two manifests or indexes, and what they name.
func (c *comparison) document(place string, src pair[content.Fetcher], desc pair[content.Descriptor]) error {
	var data pair[[]byte]
	var err error
	if data.a, err = content.ReadAll(c.ctx, src.a, desc.a); err != nil {
		return err
	}
	if data.b, err = content.ReadAll(c.ctx, src.b, desc.b); err != nil {
		return err
	}
	c.json(place+": manifest", data, "config", "layers", "manifests")
	if content.IsManifest(desc.a.MediaType) && content.IsManifest(desc.b.MediaType) {
		return c.image(place, src, desc)
	}
	var docs pair[*content.Document]
	if docs.a, err = content.ParseDocument(desc.a.MediaType, data.a); err != nil {
		return err
	}
	if docs.b, err = content.ParseDocument(desc.b.MediaType, data.b); err != nil {
		return err
	}
	ours, theirs := docs.a.Children(), docs.b.Children()
	if len(ours) != len(theirs) {
		c.differ(place, fmt.Sprintf("%d manifests, then %d", len(ours), len(theirs)))
	}
	for i := range min(len(ours), len(theirs)) {
		if ours[i].Digest == theirs[i].Digest {
			continue
		}
		child := fmt.Sprintf("%s: manifest %d", place, i+1)
		if p := platformOf(ours[i]); p != "" {
			child = place + ": " + p
		}
		if err := c.document(child, src, pair[content.Descriptor]{ours[i], theirs[i]}); err != nil {
			return err
		}
	}
	return nil
}

// image compares two images of one platform.
func (c *comparison) image(place string, src pair[content.Fetcher], desc pair[content.Descriptor]) error {
	var img pair[*image.Image]
	var err error
	if img.a, err = image.Load(c.ctx, src.a, desc.a); err != nil {
		return err
	}
	if img.b, err = image.Load(c.ctx, src.b, desc.b); err != nil {
		return err
	}
	c.json(place+": config", pair[[]byte]{img.a.Config(), img.b.Config()}, "rootfs")
	ours, theirs := img.a.Layers(), img.b.Layers()
	if len(ours) != len(theirs) {
		c.differ(place, fmt.Sprintf("%d layers, then %d", len(ours), len(theirs)))
	}
	for i := range min(len(ours), len(theirs)) {
		if ours[i].Digest == theirs[i].Digest {
			continue
		}
		if err := c.layer(fmt.Sprintf("%s: layer %d", place, i+1), img, pair[image.LayerInfo]{ours[i], theirs[i]}); err != nil {
			return err
		}
	}
	return nil
}

// layer compares two layers by what is in them.
func (c *comparison) layer(place string, img pair[*image.Image], l pair[image.LayerInfo]) error {
	if by := l.a.CreatedBy; by != "" {
		if strings.ContainsFunc(by, unicode.IsControl) { // others wrote it
			by = strconv.Quote(by)
		}
		place += " " + by
	}
	if l.a.DiffID == l.b.DiffID {
		c.differ(place, fmt.Sprintf("compressed otherwise: %s, then %s", l.a.Digest, l.b.Digest))
		return nil
	}
	var blob pair[io.ReadCloser]
	var err error
	if blob.a, err = img.a.Fetch(c.ctx, l.a.Descriptor); err != nil {
		return err
	}
	defer blob.a.Close()
	if blob.b, err = img.b.Fetch(c.ctx, l.b.Descriptor); err != nil {
		return err
	}
	defer blob.b.Close()
	differences, err := layer.Compare(blob.a, blob.b)
	if err != nil {
		return err
	}
	var what []string
	for _, d := range differences {
		what = append(what, quoted(d.Path)+": "+d.What)
	}
	if len(what) == 0 {
		what = []string{fmt.Sprintf("the archives differ: %s, then %s", l.a.DiffID, l.b.DiffID)}
	}
	c.differ(place, what...)
	return nil
}

// json compares two JSON objects, but for some of their fields.
func (c *comparison) json(place string, data pair[[]byte], without ...string) {
	a, b := flatJSON(data.a, without), flatJSON(data.b, without)
	keys := slices.Concat(slices.Collect(maps.Keys(a)), slices.Collect(maps.Keys(b)))
	slices.Sort(keys)
	var what []string
	for _, key := range slices.Compact(keys) {
		if a[key] != b[key] {
			what = append(what, fmt.Sprintf("%s: %s, then %s", key, orNothing(a[key]), orNothing(b[key])))
		}
	}
	c.differ(place, what...)
}

func orNothing(text string) string {
	if text == "" {
		return "nothing"
	}
	return text
}

// flatJSON is what is in an object by its place: "config.Env[2]". What is none is one value.
func flatJSON(data []byte, without []string) map[string]string {
	flat := map[string]string{}
	var object map[string]any
	if err := json.Unmarshal(data, &object); err != nil {
		flat["it"] = fmt.Sprintf("%q", data)
		return flat
	}
	for _, key := range without {
		delete(object, key)
	}
	flatten(flat, "", object)
	return flat
}

func flatten(flat map[string]string, place string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			flatten(flat, strings.TrimPrefix(place+"."+key, "."), value)
		}
	case []any:
		for i, value := range v {
			flatten(flat, fmt.Sprintf("%s[%d]", place, i), value)
		}
	default:
		text, _ := json.Marshal(v)
		flat[place] = string(text)
	}
}

// writes compares what the clients of two plans would write. How a blob comes to its target depends on what was there, and is no difference.
func (c *comparison) writes(a, b *Plan) {
	if a == nil || b == nil {
		return
	}
	ours, theirs := clientWrites(a), clientWrites(b)
	for i := range max(len(ours), len(theirs)) {
		switch {
		case i >= len(theirs):
			c.found = append(c.found, ours[i]+": only the first run does it")
		case i >= len(ours):
			c.found = append(c.found, theirs[i]+": only the second run does it")
		case ours[i] != theirs[i]:
			c.found = append(c.found, ours[i]+", then "+theirs[i])
		}
	}
}

// clientWrites is a line for each write that no save is.
func clientWrites(p *Plan) (lines []string) {
	for _, w := range p.Writes {
		if w.Op == "save" || w.Op == "sync" {
			continue
		}
		line := w.Target + ": " + w.Op
		if w.Digest != "" {
			line += " " + w.Digest.String()
		}
		for _, blob := range w.Blobs {
			line += " " + blob.Digest.String()
		}
		for _, tag := range w.Tags {
			line += fmt.Sprintf(" tag %s %s", tag.Name, tag.New)
		}
		lines = append(lines, line)
	}
	return lines
}
