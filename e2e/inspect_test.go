package e2e_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// stdout runs imgscript, which must work, and returns what it writes.
func (w *world) stdout(args ...string) string {
	w.t.Helper()
	cmd := exec.Command(program, append(args, "--cache-dir", w.path("look-cache"))...)
	cmd.Dir, cmd.Env = w.dir, w.environment()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("imgscript %q: %v\n%s", args, err, stderr.String())
	}
	return string(out)
}

// inspected is what the tests want of an inspect document.
type inspected struct {
	Kind, Digest, Platform string
	Annotations            map[string]string
	Config                 struct {
		Architecture, OS, Created string
		Config                    struct {
			Env    []string
			Labels map[string]string
		}
	}
	Layers []struct {
		Digest    string
		DiffID    string `json:"diff_id"`
		Size      int64
		CreatedBy string `json:"created_by"`
	}
	Manifests []inspected
}

// skopeoInspected is what skopeo inspect tells.
type skopeoInspected struct {
	Digest, Created, Architecture, OS string
	Labels                            map[string]string
	Env, Layers                       []string
}

// TestInspect: skopeo and crane see the same digests, layers, environment and labels, on images of both families and on an index.
func TestInspect(t *testing.T) {
	for _, format := range []string{"oci", "docker"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			tools(t, "skopeo", "crane")
			w := newWorld(t, map[string]*server{"REG": start(t, kinds[0])})
			w.write("shared/file", strings.Repeat("shared\n", 1000))
			w.run("FORMAT = '" + format + "'\n" + strings.Replace(twoPlatforms, "    img.save", "    img.env.update({'ARCH': arch, 'A': 'b=c'})\n    img.labels['team'] = 'web'\n    img.save", 1))
			w.appendIndex(format)
			reg := w.hosts["REG"]

			var ours inspected
			decode(t, w.stdout("inspect", reg+"/part:arm64", "--json"), &ours)
			var theirs skopeoInspected
			decode(t, w.sh("skopeo", "--override-arch", "arm64", "inspect", "docker://$REG/part:arm64"), &theirs)
			if len(theirs.Layers) != 1 || len(theirs.Env) != 2 || len(theirs.Labels) != 1 {
				t.Errorf("skopeo tells %+v", theirs)
			}
			w.same(ours, theirs)

			var index inspected
			decode(t, w.stdout("inspect", reg+"/multi:v1", "--json"), &index)
			equal(t, "kind", index.Kind, "index")
			equal(t, "digest of the index", index.Digest, strings.TrimSpace(w.sh("crane", "digest", "$REG/multi:v1")))
			for _, image := range index.Manifests {
				arch := strings.TrimPrefix(image.Platform, "linux/")
				decode(t, w.sh("skopeo", "--override-arch", arch, "inspect", "docker://$REG/multi:v1"), &theirs)
				theirs.Digest = image.Digest // skopeo tells that of the index
				w.same(image, theirs)
				equal(t, "manifest of "+arch, w.stdout("inspect", reg+"/multi:v1", "--platform", image.Platform, "--raw"), w.sh("crane", "manifest", "--platform", image.Platform, "$REG/multi:v1"))
				equal(t, "config of "+arch, w.stdout("inspect", reg+"/multi:v1", "--platform", image.Platform, "--config"), w.sh("crane", "config", "--platform", image.Platform, "$REG/multi:v1"))
			}
			equal(t, "index", w.stdout("inspect", reg+"/multi:v1", "--raw"), w.sh("skopeo", "inspect", "--raw", "docker://$REG/multi:v1"))
		})
	}
}

// same compares an image as both saw it.
func (w *world) same(ours inspected, theirs skopeoInspected) {
	t := w.t
	t.Helper()
	equal(t, "digest", ours.Digest, theirs.Digest)
	equal(t, "architecture", ours.Config.Architecture, theirs.Architecture)
	equal(t, "created", ours.Config.Created, theirs.Created)
	equal(t, "env", ours.Config.Config.Env, theirs.Env)
	equal(t, "labels", ours.Config.Config.Labels, theirs.Labels)
	var layers []string
	for _, l := range ours.Layers {
		layers = append(layers, l.Digest)
	}
	equal(t, "layers", layers, theirs.Layers)
}

// TestInspectLayout reads what skopeo wrote, and what imgscript wrote, over all transports that need no server.
func TestInspectLayout(t *testing.T) {
	t.Parallel()
	tools(t, "skopeo")
	w := newWorld(t, nil)
	w.write("files/etc/motd", "hello\n")
	w.run(`
img = image("scratch", "oci:out:v1")
img.add_files({"/": "files"})
img.labels["a"] = "b"
img.save()
`)
	w.sh("skopeo", "copy", "oci:out:v1", "oci-archive:o.tar:v1")
	w.sh("skopeo", "copy", "oci:out:v1", "docker-archive:d.tar:app:v1")
	diffID := ""
	for _, ref := range []string{"oci:out:v1", "oci-archive:o.tar:v1", "docker-archive:d.tar:app:v1"} {
		var o inspected
		decode(t, w.stdout("inspect", ref, "--json", "--files"), &o)
		equal(t, ref+": labels", o.Config.Config.Labels, map[string]string{"a": "b"})
		if len(o.Layers) != 1 || diffID != "" && o.Layers[0].DiffID != diffID {
			t.Errorf("%s: layers %+v", ref, o.Layers)
		} else {
			diffID = o.Layers[0].DiffID
		}
		raw := w.stdout("inspect", ref, "--raw")
		equal(t, ref+": digest", digest.FromString(raw).String(), o.Digest)
		if !json.Valid([]byte(raw)) || !strings.Contains(w.stdout("inspect", ref, "--files"), "motd") {
			t.Errorf("%s: %s", ref, raw)
		}
	}
}
