package image_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
)

// FuzzConfig: a config is refused as invalid, or the image of it can be changed and loaded again, and says of its platform only what can be shown.
func FuzzConfig(f *testing.F) {
	diffID := digest.FromString("").String()
	for _, s := range []string{
		`{"architecture":"amd64","os":"linux","config":{"Env":["A=1"],"WorkingDir":"/","Labels":{"a":"b"}},"rootfs":{"type":"layers","diff_ids":["$D"]},"history":[{"created_by":"x"}]}`,
		`{"rootfs":{"diff_ids":["$D"]},"config":null}`, `{"rootfs":{"diff_ids":["$D"]},"config":{"Env":null,"env":[]}}`, `{"ROOTFS":{"diff_ids":["$D"]},"OS":"x"}`,
		`{"rootfs":{"diff_ids":["$D"]},"history":[{"empty_layer":true},{"empty_layer":true}]}`, `{"rootfs":{"diff_ids":["$D"]},"os":"\u001b[31m"}`, `null`, `[]`, `{}`,
	} {
		f.Add(strings.ReplaceAll(s, "$D", diffID))
	}
	f.Fuzz(func(t *testing.T, config string) {
		src := new(content.Memory)
		push := func(mediaType, text string) content.Descriptor {
			desc := content.Of(mediaType, []byte(text))
			if err := src.Push(t.Context(), desc, content.FromBytes([]byte(text))); err != nil {
				t.Fatal(err)
			}
			return desc
		}
		desc := push(content.OCIConfig, config)
		manifest := push(content.OCIManifest, fmt.Sprintf(`{"schemaVersion":2,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[{"mediaType":%q,"digest":%q,"size":0}]}`,
			content.OCIConfig, desc.Digest, desc.Size, content.OCILayer, diffID))
		img, err := image.Load(t.Context(), src, manifest)
		if err != nil {
			if !errors.Is(err, content.ErrInvalid) {
				t.Errorf("%q: %v", config, err)
			}
			return
		}
		if text := img.Platform().String(); strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q is for %q", config, text)
		}
		changed, err := img.With(&image.Changes{Env: []string{"FUZZ=1"}, Labels: map[string]string{"fuzz": "1"}})
		if err != nil {
			return // what is there may be no list that could be added to
		}
		for _, text := range []string{string(changed.Manifest()), string(changed.Config())} {
			if err := content.CheckJSON([]byte(text)); err != nil {
				t.Errorf("%q became %q: %v", config, text, err)
			}
		}
		push(content.OCIConfig, string(changed.Config()))
		if _, err := image.Load(t.Context(), src, push(content.OCIManifest, string(changed.Manifest()))); err != nil {
			t.Errorf("%q became %q: %v", config, changed.Config(), err)
		}
	})
}

// FuzzSelect: of an index, an entry of its own is picked, which matches what was asked for, or an error says what there is.
func FuzzSelect(f *testing.F) {
	dgst := digest.FromString("").String()
	entry := func(os, arch, variant string) string {
		return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":1,"platform":{"os":%q,"architecture":%q,"variant":%q}}`, content.OCIManifest, dgst, os, arch, variant)
	}
	f.Add(`{"manifests":[`+entry("linux", "amd64", "")+","+entry("linux", "arm64", "v8")+`]}`, "linux/arm64")
	f.Add(`{"manifests":[`+entry("windows", "amd64", "")+`]}`, "windows(10.0.17763)/amd64")
	f.Add(`{"manifests":[`+entry("unknown", "unknown", "")+`]}`, "linux/amd64")
	f.Add(`{"manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"`+dgst+`","size":1}]}`, "linux/arm/v7")
	f.Add(`{"manifests":[]}`, "linux/amd64")
	f.Add(`{"manifests":null}`, "linux/amd64")
	f.Fuzz(func(t *testing.T, index, platform string) {
		p, err := image.ParsePlatform(platform)
		if err != nil {
			return
		}
		doc, err := content.ParseDocument(content.OCIIndex, []byte(index))
		if err != nil {
			return
		}
		desc, err := image.Select(doc, p)
		if err != nil {
			if strings.ContainsFunc(err.Error(), unicode.IsControl) || len(err.Error()) > len(index)+1000 {
				t.Errorf("%q: %q", index, err)
			}
			return
		}
		if !slices.ContainsFunc(doc.Manifests, func(one content.Descriptor) bool { return one.Digest == desc.Digest && one.MediaType == desc.MediaType }) {
			t.Errorf("%q: picked %v", index, desc)
		}
	})
}
