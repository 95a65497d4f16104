package layout

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
)

func TestTags(t *testing.T) {
	l := fresh(t)
	if _, err := l.Tags(t.Context()); !errors.Is(err, content.ErrNotFound) {
		t.Errorf("no layout: %v", err)
	}
	image := contenttest.Image(t, l, content.OCIManifest, 1)
	if tags, err := l.Tags(t.Context()); err != nil || len(tags) != 0 {
		t.Errorf("a nameless image: %q, %v", tags, err)
	}
	for _, name := range []string{"v2", "v10", "latest", "v2"} {
		if err := l.Tag(t.Context(), image, name); err != nil {
			t.Fatal(err)
		}
	}
	if tags, err := l.Tags(t.Context()); err != nil || fmt.Sprint(tags) != "[latest v10 v2]" {
		t.Errorf("got %q, %v", tags, err)
	}
}

// artifact pushes a manifest that refers to a subject.
func artifact(t *testing.T, l *Layout, subject content.Descriptor, artifactType, config string) content.Descriptor {
	t.Helper()
	empty := content.Of(config, []byte("{}"))
	if err := l.Push(t.Context(), empty, content.FromBytes([]byte("{}"))); err != nil {
		t.Fatal(err)
	}
	doc := map[string]any{
		"schemaVersion": 2, "mediaType": content.OCIManifest, "config": empty, "layers": []any{}, "subject": subject, "annotations": map[string]string{"by": "us"},
	}
	if artifactType != "" {
		doc["artifactType"] = artifactType
	}
	data, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	desc := content.Of(content.OCIManifest, data)
	if err := l.Push(t.Context(), desc, content.FromBytes(data)); err != nil {
		t.Fatal(err)
	}
	return desc
}

// TestReferrers finds what refers to an image among the entries, and in the index that regctl keeps under a tag.
func TestReferrers(t *testing.T) {
	l := fresh(t)
	image := contenttest.Image(t, l, content.OCIManifest, 1)
	other := contenttest.Image(t, l, content.OCIManifest, 2)
	sbom := artifact(t, l, image, "application/sbom", "application/vnd.oci.empty.v1+json")
	signature := artifact(t, l, image, "", "application/signature")
	artifact(t, l, other, "application/sbom", "application/vnd.oci.empty.v1+json")
	hidden := artifact(t, l, image, "application/hidden", "application/vnd.oci.empty.v1+json")
	index := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`, content.OCIIndex, hidden.MediaType, hidden.Digest, hidden.Size)
	fallback := content.Of(content.OCIIndex, []byte(index))
	if err := l.PushTagged(t.Context(), fallback, content.FromBytes([]byte(index)), strings.ReplaceAll(image.Digest.String(), ":", "-")); err != nil {
		t.Fatal(err)
	}
	all, err := l.Referrers(t.Context(), image.Digest, "")
	if err != nil || len(all) != 3 {
		t.Fatalf("got %v, %v", all, err)
	}
	for _, want := range []content.Descriptor{sbom, signature, hidden} {
		i := slices.IndexFunc(all, func(d content.Descriptor) bool { return d.Digest == want.Digest })
		if i < 0 || all[i].Annotations["by"] != "us" || all[i].Size != want.Size {
			t.Errorf("%s is not in %v", want.Digest, all)
		}
	}
	if one, err := l.Referrers(t.Context(), image.Digest, "application/signature"); err != nil || len(one) != 1 || one[0].Digest != signature.Digest {
		t.Errorf("by the type of the config: %v, %v", one, err)
	}
	if none, err := l.Referrers(t.Context(), sbom.Digest, ""); err != nil || len(none) != 0 {
		t.Errorf("of a referrer: %v, %v", none, err)
	}
	writeFile(t, filepath.Join(l.Dir(), indexFile), "{")
	if _, err := l.Referrers(t.Context(), image.Digest, ""); !errors.Is(err, content.ErrInvalid) {
		t.Errorf("a damaged index.json: %v", err)
	}
}
