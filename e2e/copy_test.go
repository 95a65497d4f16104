package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// twoPlatforms saves one image for each of two platforms to REG/part.
const twoPlatforms = `
for arch in ["amd64", "arm64"]:
    img = image("scratch", REG + "/part", platform = "linux/" + arch, format = FORMAT)
    img.add_files({"/arch": custom_file(arch), "/shared": "shared"})
    img.cmd = ["/run"]
    img.save([arch])
`

// TestCopy copies an image, and an index of two, from one registry to another: no byte may change.
func TestCopy(t *testing.T) {
	for i, from := range kinds {
		to := kinds[(i+1)%len(kinds)]
		for _, format := range []string{"oci", "docker"} {
			t.Run(from.name+" to "+to.name+"/"+format, func(t *testing.T) {
				t.Parallel()
				tools(t, "crane", "skopeo")
				w := newWorld(t, map[string]*server{"REG": start(t, from), "OTHER": start(t, to)})
				w.write("shared/file", strings.Repeat("shared\n", 1000))
				w.run("FORMAT = '" + format + "'\n" + twoPlatforms)
				w.appendIndex(format)
				all := w.run(`
image(REG + "/part:amd64", OTHER + "/copy/one").save(["one"])
image(REG + "/multi:v1", OTHER + "/copy/multi:v1").save()
`)
				one, multi := all[0], all[1]
				equal(t, "digest of the image", one.Digest, strings.TrimSpace(w.sh("crane", "digest", "$REG/part:amd64")))
				equal(t, "manifest", w.sh("crane", "manifest", "$OTHER/copy/one:one"), w.sh("crane", "manifest", "$REG/part:amd64"))
				equal(t, "digest of the index", multi.Digest, strings.TrimSpace(w.sh("crane", "digest", "$REG/multi:v1")))
				equal(t, "index", w.sh("crane", "manifest", "$OTHER/copy/multi:v1"), w.sh("crane", "manifest", "$REG/multi:v1"))
				equal(t, "platforms", multi.Platforms, []string{"linux/amd64", "linux/arm64"})
				w.sh("crane", "validate", "--remote", "$OTHER/copy/one:one")
				w.sh("crane", "validate", "--remote", "$OTHER/copy/multi:v1")
				equal(t, "index by skopeo", digest.FromString(w.sh("skopeo", "inspect", "--raw", "docker://$OTHER/copy/multi:v1")).String(), multi.Digest)
				w.sh("skopeo", "copy", "--all", "docker://$OTHER/copy/multi:v1", "dir:all") // reads every blob of both
			})
		}
	}
}

// appendIndex has crane make REG/multi:v1 of both platforms.
func (w *world) appendIndex(format string) {
	w.t.Helper()
	args := []string{"index", "append", "-m", "$REG/part:amd64", "-m", "$REG/part:arm64", "-t", "$REG/multi:v1"}
	if format == "docker" {
		args = append(args, "--docker-empty-base")
	}
	w.sh("crane", args...)
	var index struct{ MediaType string }
	decode(w.t, w.sh("crane", "manifest", "$REG/multi:v1"), &index)
	want := map[string]string{"oci": "application/vnd.oci.image.index.v1+json", "docker": "application/vnd.docker.distribution.manifest.list.v2+json"}[format]
	equal(w.t, "media type of the index", index.MediaType, want)
}

// TestPlatform builds on one image of an index.
func TestPlatform(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		tools(t, "crane")
		w := newWorld(t, map[string]*server{"REG": start(t, k)})
		w.write("shared/file", "shared\n")
		w.run("FORMAT = 'oci'\n" + twoPlatforms)
		w.appendIndex("oci")
		all := w.run(`
for platform in [None, "linux/arm64"]:
    img = image(REG + "/multi:v1", REG + "/app", platform = platform)
    img.add_files({"/more": custom_file("more")})
    img.save([platform.replace("/", "-") if platform else "default"])
`)
		equal(t, "platforms", append(all[0].Platforms, all[1].Platforms...), []string{"linux/amd64", "linux/arm64"})
		for tag, arch := range map[string]string{"default": "amd64", "linux-arm64": "arm64"} {
			var config struct{ Architecture string }
			decode(t, w.sh("crane", "config", "$REG/app:"+tag), &config)
			equal(t, tag, config.Architecture, arch)
		}
		w.sh("crane", "validate", "--remote", "$REG/app:linux-arm64")
	})
}

// TestPin uses a tag with a digest after the tag has moved.
func TestPin(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		tools(t, "crane")
		w := newWorld(t, map[string]*server{"REG": start(t, k)})
		all := w.run(`
for n in range(2):
    img = image("scratch", REG + "/app:v1")
    img.labels["n"] = str(n)
    img.save()
`)
		equal(t, "tag", strings.TrimSpace(w.sh("crane", "digest", "$REG/app:v1")), all[1].Digest)
		w.run(`image(REG + "/app:v1@` + all[0].Digest + `", REG + "/pinned").save()`)
		equal(t, "copy", strings.TrimSpace(w.sh("crane", "digest", "$REG/pinned:latest")), all[0].Digest)
	})
}

// TestBaseOfOneScript builds a base and then, in the same script, an image on it: by a tag that is new, and by one that named something else before.
func TestBaseOfOneScript(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		tools(t, "crane")
		w := newWorld(t, map[string]*server{"REG": start(t, k)})
		for _, n := range []string{"1", "2"} {
			w.run(`
base = image("scratch", REG + "/base:v1")
base.labels["n"] = "` + n + `"
base.add_files({"/base": custom_file("base")})
base.save()
app = image(REG + "/base:v1", REG + "/app:v1")
app.add_files({"/app": custom_file("app")})
app.save()
`)
			var config struct {
				Config struct{ Labels map[string]string }
			}
			decode(t, w.sh("crane", "config", "$REG/app:v1"), &config)
			equal(t, "label", config.Config.Labels["n"], n)
		}
	})
}

// TestPretty copies a manifest and a config that were written with indentation.
func TestPretty(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		tools(t, "crane")
		w := newWorld(t, map[string]*server{"REG": start(t, k), "OTHER": start(t, k)})
		config := indented(t, map[string]any{"architecture": "amd64", "os": "linux", "config": map[string]any{"Healthcheck": map[string]any{"Test": []string{"NONE"}}},
			"x-own": map[string]any{"b": 1, "a": 2}, "rootfs": map[string]any{"type": "layers", "diff_ids": []string{}}})
		w.write("config.json", config)
		copied := w.save(`
c = client(REG + "/pretty", write = True)
up = c.upload(read_file("config.json"))
c.manifest_upload("v1", json.indent(json.encode({
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": up.digest, "size": up.size},
    "layers": [],
})))
image(REG + "/pretty:v1", OTHER + "/pretty:v1").save()
`)
		equal(t, "manifest", w.sh("crane", "manifest", "$OTHER/pretty:v1"), w.sh("crane", "manifest", "$REG/pretty:v1"))
		equal(t, "config", w.sh("crane", "config", "$OTHER/pretty:v1"), config)
		equal(t, "digest", copied.Digest, strings.TrimSpace(w.sh("crane", "digest", "$REG/pretty:v1")))
		// What is changed keeps what it does not know.
		w.run(`
img = image(REG + "/pretty:v1", OTHER + "/changed")
img.cmd = ["/run"]
img.save()
`)
		var changed struct {
			Config struct {
				Cmd         []string
				Healthcheck struct{ Test []string }
			}
			Own map[string]int `json:"x-own"`
		}
		decode(t, w.sh("crane", "config", "$OTHER/changed:latest"), &changed)
		equal(t, "command and health check", append(changed.Config.Cmd, changed.Config.Healthcheck.Test...), []string{"/run", "NONE"})
		equal(t, "an unknown key", changed.Own, map[string]int{"a": 2, "b": 1})
	})
}

func indented(t *testing.T, v any) string {
	t.Helper()
	data, err := json.MarshalIndent(v, "", "   ")
	if err != nil {
		t.Fatal(err)
	}
	return string(data) + "\n"
}
