package e2e_test

import (
	"slices"
	"strings"
	"testing"
)

// TestServices builds ten images on one base in a loop; the base's layer is mounted in each.
func TestServices(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		tools(t, "crane")
		w := newWorld(t, map[string]*server{"REG": start(t, k)})
		w.write("common/lib", strings.Repeat("lib", 10000))
		w.write("base/os", strings.Repeat("os", 100000))
		w.run(`
img = image("scratch", REG + "/platform/base:v1")
img.add_files({"/": "base"})
img.save()
`)
		w.write("services.star", `SERVICES = ["service%d" % n for n in range(10)]`)
		all := w.run(`
load("services.star", "SERVICES")
base = image(REG + "/platform/base:v1")
base.add_files({"/common": "common"})
base.env["BASE"] = "yes"
for name in SERVICES:
    img = base.fork(REG + "/services/" + name)
    img.add_files({"/srv/name": custom_file(name)})
    img.cmd = ["/srv/" + name]
    img.save(["v1", "stable"])
`)
		equal(t, "number of services", len(all), 10)
		uploads := 0
		for _, s := range all {
			uploads += s.Uploaded
			if s.Mounted+s.Skipped < 1 {
				t.Errorf("%s: mounted %d, skipped %d: the base's layer was sent again", s.Reference, s.Mounted, s.Skipped)
			}
			equal(t, "layers", len(s.Layers), 3)
			w.sh("crane", "validate", "--remote", s.Reference)
		}
		equal(t, "tags", slices.Sorted(strings.Lines(w.sh("crane", "ls", "$REG/services/service7"))), []string{"stable\n", "v1\n"})
		equal(t, "stable", strings.TrimSpace(w.sh("crane", "digest", "$REG/services/service7:stable")), all[7].Digest)
		if uploads > 40 {
			t.Errorf("%d blobs were sent for ten services, want at most 4 for each", uploads)
		}
	})
}

// TestSync copies the base's blobs ahead of the save.
func TestSync(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		tools(t, "crane")
		w := newWorld(t, map[string]*server{"REG": start(t, k), "OTHER": start(t, k)})
		w.write("base/os", strings.Repeat("os", 100000))
		w.run(`
img = image("scratch", REG + "/base")
img.add_files({"/": "base"})
img.save()
`)
		s := w.save(`
img = image(REG + "/base", OTHER + "/app")
img.sync()
img.add_files({"/f": custom_file("f")})
img.save()
`)
		w.sh("crane", "validate", "--remote", s.Reference)
	})
}

// TestClient makes each call of a client, and adds a layer that it uploaded.
func TestClient(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		tools(t, "crane")
		w := newWorld(t, map[string]*server{"REG": start(t, k)})
		w.run(`
img = image("scratch", REG + "/team/app")
img.add_files({"/layer/file": custom_file("in a layer\n")})
s = img.save(["v1", "v2", "old"])

c = client(REG + "/team/app", write = True)
eq(c.resolve("v1"), s.digest)
eq(c.resolve("none"), None)
eq(c.tags(), ["old", "v1", "v2"])
eq(c.tags(match = "v*"), ["v1", "v2"])
m = c.manifest("v1", raw = True)
eq((m.digest, m.media_type, digest(m.data)), (s.digest, s.media_type, s.digest))
d = c.manifest("v1")
eq(d["layers"][0]["digest"], s.layers[0].digest)
eq(c.blob_exists(s.layers[0].digest), True)
eq(c.blob_exists(digest("none")), False)
eq(digest(c.blob(s.layers[0].digest)), s.layers[0].digest)
eq(digest(c.blob(s.layers[0].digest, stream = True)), s.layers[0].digest)
eq(c.manifest("none", default = None), None)

# An upload, its digest unknown before and known before.
up = c.upload(b"some bytes")
eq((up.digest, up.size), (digest(b"some bytes"), 10))
eq(c.upload(b"other bytes", digest = digest(b"other bytes")).digest, digest(b"other bytes"))
eq(c.blob(up.digest), b"some bytes")

# The raw manifest keeps its digest in another repository, once its blobs are there.
other = client(REG + "/team/other", write = True)
eq(other.mount(s.layers[0].digest, REG + "/team/app"), True)
other.copy_blob(d["config"]["digest"], REG + "/team/app")
eq(other.manifest_upload("copy", m).digest, s.digest)
eq(other.manifest_upload(None, m).digest, s.digest)

# A deleted manifest is gone, with its tags.
d["annotations"] = {"other": "yes"}
doomed = c.manifest_upload("doomed", d)
c.delete(doomed.digest)
eq(c.manifest(doomed.digest, default = "gone"), "gone")
eq(c.resolve("v1"), s.digest)
`)
		w.sh("crane", "validate", "--remote", "$REG/team/other:copy")
		w.run(`
img = image(REG + "/team/app:v1", REG + "/team/added")
layer = image("scratch", REG + "/spare")
layer.add_files({"/spare/file": custom_file("spare\n")})
data = client(REG + "/spare").blob(layer.save().layers[0].digest)
up = img.client(img.target, write = True).upload(data)
img.add_layer(up.digest)
img.save(["v1"])
`)
		w.sh("crane", "validate", "--remote", "$REG/team/added:v1")
		equal(t, "files", w.tarNames("$REG/team/added:v1"), "layer layer/file spare spare/file")
		w.run(`
img = image(REG + "/team/added:v1", REG + "/team/removed")
eq(img.remove_layer(img.layers()[0].digest), True)
img.save(["v1"])
`)
		w.sh("crane", "validate", "--remote", "$REG/team/removed:v1")
		equal(t, "files", w.tarNames("$REG/team/removed:v1"), "spare spare/file")
	})
}

// TestManyTags reads tags over several pages.
func TestManyTags(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		w := newWorld(t, map[string]*server{"REG": start(t, k)})
		w.run(`
image("scratch", REG + "/app").save(["t%d" % (1000 + n) for n in range(100)])
tags = client(REG + "/app").tags()
eq(tags, ["t%d" % (1000 + n) for n in range(100)])
`)
	})
}
