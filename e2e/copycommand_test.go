package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// copyTo runs imgscript copy, which must work.
func (w *world) copyTo(args ...string) []saved {
	w.t.Helper()
	out := w.program(append([]string{"copy", "--progress", "quiet"}, args...)...)
	if out.code != 0 {
		w.t.Fatalf("copy %q: exit code %d\n%s", args, out.code, out.stderr)
	}
	return out.saved
}

// TestCopyCommand copies images, indexes, some platforms, all tags and referrers between registries, from and to layouts, with and without passwords, and has
// other tools read them.
func TestCopyCommand(t *testing.T) {
	for i, from := range kinds {
		to := kinds[(i+2)%len(kinds)]
		for _, format := range []string{"oci", "docker"} {
			t.Run(from.name+" to "+to.name+"/"+format, func(t *testing.T) {
				t.Parallel()
				tools(t, "crane", "skopeo")
				w := newWorld(t, map[string]*server{"REG": start(t, from), "OTHER": start(t, to)})
				w.write("shared/file", strings.Repeat("shared\n", 1000))
				w.run("FORMAT = '" + format + "'\n" + twoPlatforms)
				w.appendIndex(format)
				reg, other := w.hosts["REG"], w.hosts["OTHER"]
				index := w.sh("crane", "manifest", "$REG/multi:v1")

				w.copyTo(reg+"/multi:v1", other+"/multi")
				equal(t, "index", w.sh("crane", "manifest", "$OTHER/multi:v1"), index)
				w.sh("crane", "validate", "--remote", "$OTHER/multi:v1")

				w.copyTo(other+"/multi:v1", "oci:"+w.path("layout"))
				w.copyTo("oci:"+w.path("layout"), other+"/back:v1")
				equal(t, "index by way of a layout", w.sh("crane", "manifest", "$OTHER/back:v1"), index)
				if format == "oci" { // skopeo looks for nothing else in layouts
					w.sh("skopeo", "copy", "--all", "oci:layout:v1", "dir:all")
				}

				w.copyTo(reg+"/multi:v1", other+"/arm", "--platform", "linux/arm64")
				equal(t, "one platform", w.sh("crane", "manifest", "$OTHER/arm:v1"), w.sh("crane", "manifest", "$REG/part:arm64"))
				w.copyTo(reg+"/multi:v1", other+"/both", "--platform", "linux/arm64", "--platform", "linux/amd64")
				equal(t, "all platforms", w.sh("crane", "manifest", "$OTHER/both:v1"), index)

				all := w.copyTo("--all-tags", reg+"/part", other+"/part")
				equal(t, "number of tags", len(all), 2)
				equal(t, "tags", w.tags("$OTHER/part"), []string{"amd64", "arm64"})
				equal(t, "what is there is not sent again", sum(w.copyTo("--all-tags", reg+"/part", other+"/part")), 0)
			})
		}
	}
}

// tags lists the tags of a repository, sorted, which docker-registry does not do.
func (w *world) tags(repository string) []string {
	w.t.Helper()
	tags := strings.Fields(w.sh("crane", "ls", repository))
	slices.Sort(tags)
	return tags
}

// sum is the number of blobs that were sent.
func sum(all []saved) (n int) {
	for _, s := range all {
		n += s.Uploaded + s.Mounted
	}
	return n
}

// TestCopyReferrersCommand takes along what refers to an image, and cosign's tags. The distributions list no referrers: what clients keep in the place of the list
// is an index under a tag, which is read and written.
func TestCopyReferrersCommand(t *testing.T) {
	for i, from := range kinds {
		to := kinds[(i+1)%len(kinds)]
		t.Run(from.name+" to "+to.name, func(t *testing.T) {
			t.Parallel()
			tools(t, "crane")
			w := newWorld(t, map[string]*server{"REG": start(t, from), "OTHER": start(t, to)})
			app := w.save(`image("scratch", REG + "/app:v1").save()`)
			tag := strings.Replace(app.Digest, ":", "-", 1)
			w.write("refer.star", w.header+fmt.Sprintf(`
c = client(REG + "/app", write = True)
empty = c.upload("{}")
def refer(kind):
    data = json.encode({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": kind, "layers": [],
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty.digest, "size": empty.size},
        "subject": {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": %q, "size": %d},
    })
    c.manifest_upload(digest(data), data)
    return {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest(data), "size": len(data), "artifactType": kind}
c.manifest_upload(%q, json.encode({
    "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [refer("application/sbom"), refer("application/scan")],
}))
image("scratch", REG + "/app").save([%q])
`, app.Digest, len(w.sh("crane", "manifest", "$REG/app:v1")), tag, tag+".sig"))
			if out := w.program("run", w.path("refer.star")); out.code != 0 {
				t.Fatalf("exit code %d\n%s", out.code, out.stderr)
			}
			for range 2 {
				w.copyTo("--referrers", w.hosts["REG"]+"/app:v1", w.hosts["OTHER"]+"/app")
				w.run(fmt.Sprintf(`
c = client(OTHER + "/app")
found = c.referrers(%q)
eq(sorted([f["artifactType"] for f in found]), ["application/sbom", "application/scan"])
for f in found:
    eq(digest(c.manifest(f["digest"], raw = True).data), f["digest"])
`, app.Digest))
				if to.command == "" { // it lists them itself
					equal(t, "tags", w.tags("$OTHER/app"), []string{tag + ".sig", "v1"})
					continue
				}
				equal(t, "tags", w.tags("$OTHER/app"), []string{tag, tag + ".sig", "v1"})
				var index struct {
					Manifests []struct{ Digest, ArtifactType string }
				}
				decode(t, w.sh("crane", "manifest", "$OTHER/app:"+tag), &index)
				equal(t, "number of referrers", len(index.Manifests), 2)
				for _, m := range index.Manifests {
					equal(t, m.ArtifactType, digest.FromString(w.sh("crane", "manifest", "$OTHER/app@"+m.Digest)).String(), m.Digest)
				}
			}
		})
	}
}
