package build_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

func platformOf(os, arch string) *ocispec.Platform {
	return &ocispec.Platform{OS: os, Architecture: arch}
}

// refer puts an artifact that refers to subject into a registry, and where that keeps no lists itself, into the list under the tag.
func refer(t *testing.T, reg *registrytest.Server, subject content.Descriptor, kind string) content.Descriptor {
	t.Helper()
	config, layer := reg.PushBlob("app", []byte("{}")), reg.PushBlob("app", []byte(kind))
	config.MediaType = "application/vnd.oci.empty.v1+json"
	data, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": content.OCIManifest, "artifactType": kind, "config": config, "layers": []content.Descriptor{layer}, "subject": subject,
		"annotations": map[string]string{"kind": kind},
	})
	if err != nil {
		t.Fatal(err)
	}
	desc := reg.PushManifest("app", "", content.OCIManifest, data)
	desc.ArtifactType, desc.Annotations = kind, map[string]string{"kind": kind}
	if err := registry.New(nil).Repository(reg.Host, "app").KeepReferrers(t.Context(), subject.Digest, []content.Descriptor{desc}); err != nil {
		t.Fatal(err)
	}
	return desc
}

// signTag puts an image under a tag of cosign's.
func signTag(reg *registrytest.Server, subject content.Descriptor, kind string) (tag string, signature digest.Digest) {
	tag = strings.Replace(subject.Digest.String(), ":", "-", 1) + kind
	return tag, reg.PushImage("app", tag, registrytest.Image{Layers: []map[string]string{{"/" + kind: subject.Digest.String()}}}).Manifest.Digest
}

// TestCopyReferrers takes along what refers to an index and to its images, what refers to that, and cosign's tags: from registries with and without lists of
// their own to registries with and without, and by way of a layout.
func TestCopyReferrers(t *testing.T) {
	for _, sourceLists := range []bool{true, false} {
		for _, targetLists := range []bool{true, false} {
			t.Run(fmt.Sprintf("source lists %t, target lists %t", sourceLists, targetLists), func(t *testing.T) {
				src := registrytest.New(t, &registrytest.Options{Quirks: registrytest.Quirks{NoReferrers: !sourceLists}})
				dst := registrytest.New(t, &registrytest.Options{Quirks: registrytest.Quirks{NoReferrers: !targetLists}})
				index, children := multi(t, src, "app", "v1")
				sbom := refer(t, src, index, "application/sbom")
				want := map[digest.Digest][]content.Descriptor{
					index.Digest:       {sbom, refer(t, src, index, "application/scan")},
					children[1].Digest: {refer(t, src, children[1], "application/sbom")},
					sbom.Digest:        {refer(t, src, sbom, "application/signature")},
				}
				sigTag, signature := signTag(src, index, ".sig")
				attTag, attestation := signTag(src, children[0], ".att")
				root := t.TempDir()
				check := func(repository string) {
					t.Helper()
					repo := registry.New(nil).Repository(dst.Host, repository)
					for subject, list := range want {
						got, err := repo.Referrers(t.Context(), subject, "")
						if err != nil || !sameReferrers(got, list) {
							t.Errorf("%s: referrers of %s are %v (%v), want %v", repository, subject, got, err, list)
						}
					}
					for tag, dgst := range map[string]digest.Digest{sigTag: signature, attTag: attestation} {
						if desc, _, ok := dst.Manifest(repository, tag); !ok || desc.Digest != dgst {
							t.Errorf("%s: tag %s is %s, want %s", repository, tag, desc.Digest, dgst)
						}
					}
				}
				opts := &build.CopyOptions{Referrers: true}
				for round := range 2 {
					dst.Reset()
					got := mustCopy(t, root, src.Host+"/app:v1", dst.Host+"/copy", opts)
					if got[0].Digest != index.Digest || got[0].Referrers != 6 {
						t.Errorf("round %d: got %+v, want 6 referrers", round, got)
					}
					check("copy")
					if n := dst.Count("PUT", "") + dst.Count("POST", ""); round == 1 && n != 0 {
						t.Errorf("all was there, and this was sent:\n%s", strings.Join(dst.Lines(), "\n"))
					}
				}
				mustCopy(t, root, src.Host+"/app:v1", "oci:layout", opts)
				mustCopy(t, root, "oci:layout:v1", dst.Host+"/back", opts)
				check("back")
				// What refers to images that are left out stays behind.
				one := mustCopy(t, root, src.Host+"/app:v1", dst.Host+"/one", &build.CopyOptions{Referrers: true, Platforms: []string{"linux/arm64"}})
				if one[0].Digest != children[1].Digest || one[0].Referrers != 1 {
					t.Errorf("of one platform: got %+v, want 1 referrer", one)
				}
			})
		}
	}
}

func sameReferrers(got, want []content.Descriptor) bool {
	for _, w := range want {
		if !slices.ContainsFunc(got, func(d content.Descriptor) bool {
			return d.Digest == w.Digest && d.Size == w.Size && d.ArtifactType == w.ArtifactType && d.Annotations["kind"] == w.Annotations["kind"]
		}) {
			return false
		}
	}
	return len(got) == len(want)
}

// TestCopyReferrersFirst: the tag does not move before all that refers to the image is at the target, which a failure shows.
func TestCopyReferrersFirst(t *testing.T) {
	src, dst := registrytest.New(t, nil), registrytest.New(t, nil)
	image := src.PushImage("app", "v1", registrytest.Image{}).Manifest
	sbom := refer(t, src, image, "application/sbom")
	dst.SetFaults(registrytest.Fault{Method: "PUT", Match: "/manifests/" + sbom.Digest.String(), Status: 400, Times: -1})
	_, err := copyOf(t, t.TempDir(), src.Host+"/app:v1", dst.Host+"/copy", &build.CopyOptions{Referrers: true})
	if err == nil || !strings.Contains(err.Error(), "referrer "+sbom.Digest.String()) || len(dst.Tags("copy")) != 0 {
		t.Errorf("got %v, tags %q", err, dst.Tags("copy"))
	}
	if _, _, ok := dst.Manifest("copy", image.Digest.String()); !ok {
		t.Error("what was referred to was not there first")
	}
}

// TestCopyStaleReferrers: a list that clients keep may name what is gone or is none; that is left out with a warning.
func TestCopyStaleReferrers(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Quirks: registrytest.Quirks{NoReferrers: true}, AllowMissing: true})
	image := reg.PushImage("app", "v1", registrytest.Image{}).Manifest
	refer(t, reg, image, "application/sbom")
	none := reg.PushImage("app", "", registrytest.Image{Arch: "arm64"}).Manifest
	gone := content.Of(content.OCIManifest, []byte("gone"))
	odd := content.Of("application/vnd.oci.artifact.manifest.v1+json", []byte("odd"))
	if err := registry.New(nil).Repository(reg.Host, "app").KeepReferrers(t.Context(), image.Digest, []content.Descriptor{none, gone, odd}); err != nil {
		t.Fatal(err)
	}
	report, err := copyOf(t, t.TempDir(), reg.Host+"/app:v1", reg.Host+"/copy", &build.CopyOptions{Referrers: true})
	if err != nil || report.Copied[0].Referrers != 1 || len(report.Warnings) != 3 {
		t.Errorf("got %+v, %v; want one referrer and 3 warnings", report, err)
	}
}
