package e2e_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// saving makes a victim that builds on a base and saves under two tags: one of the round, and one that moves.
func saving(t *testing.T, servers map[string]*server, target string) *victim {
	v := &victim{world: newWorld(t, servers)}
	v.write("base/file", strings.Repeat("base\n", 1_000_000))
	v.write("data/same", strings.Repeat("same\n", 500_000))
	v.save("img = image('scratch', 'oci:base-image:v1')\nimg.add_files({'/base': 'base'})\nimg.save()")
	v.write("kill.star", v.header+`
img = image("oci:base-image:v1", `+target+`)
img.add_files({"/same": "data/same"})
img.add_files({"/changes": "data/changes"})
img.labels["round"] = var("round")
img.save(["round" + var("round"), "moving"])
`)
	v.args = []string{"run", v.path("kill.star"), "--var", "round=ROUND", "--progress", "quiet", "--cache-dir", filepath.Join(v.home, "cache")}
	v.prepare = func(string) { v.change("data/changes", 4<<20) }
	return v
}

func saveToLayout(t *testing.T) *victim {
	v := saving(t, nil, `"oci:out"`)
	v.check = func([]string) { v.checkLayout("out") }
	v.done = func(tag string) { v.wantTags("out", tag, "moving") }
	return v
}

func copyToLayout(t *testing.T) *victim {
	tools(t, kinds[0].command)
	v := &victim{world: newWorld(t, map[string]*server{"REG": start(t, kinds[0])})}
	v.args = []string{"copy", v.hosts["REG"] + "/app:roundROUND", "oci:" + v.path("out"), "--progress", "quiet"}
	v.prepare = func(round string) {
		v.change("changes", 8<<20)
		v.save(`
img = image("scratch", REG + "/app:round` + round + `")
img.add_files({"/changes": "changes"})
img.save()
`)
	}
	v.check = func([]string) { v.checkLayout("out") }
	v.done = func(tag string) { v.wantTags("out", tag) }
	return v
}

func saveToRegistry(t *testing.T, k kind) *victim {
	tools(t, k.command)
	s := start(t, k)
	v := saving(t, map[string]*server{"REG": s}, `REG + "/app"`)
	v.check = func(tags []string) {
		blobs := filepath.Join(s.data, "docker/registry/v2/blobs")
		v.files(blobs, func(path string, info os.FileInfo) {
			if filepath.Base(path) == "data" { // and not what the registry is still writing
				v.checkBlob(path, filepath.Base(filepath.Dir(path)), info)
			}
		})
		for _, tag := range append([]string{"moving"}, tags[max(0, len(tags)-2):]...) {
			v.checkTag(s, tag)
		}
	}
	v.done = func(tag string) {
		for _, name := range []string{tag, "moving"} {
			if !v.checkTag(s, name) {
				t.Errorf("tag %s is not there", name)
			}
		}
	}
	return v
}

// checkTag reports whether a registry has a tag; if so, all that it needs must be there.
func (v *victim) checkTag(s *server, tag string) bool {
	v.t.Helper()
	data, ok := get(v.t, s, "manifests/"+tag)
	if !ok {
		return false
	}
	var manifest ocispec.Manifest
	decode(v.t, string(data), &manifest)
	for _, desc := range append(manifest.Layers, manifest.Config) {
		if data, ok := get(v.t, s, "blobs/"+desc.Digest.String()); !ok || int64(len(data)) != desc.Size {
			v.t.Errorf("tag %s: %s is missing or has %d bytes (%.100q), want %d", tag, desc.Digest, len(data), data, desc.Size)
		}
	}
	return true
}

// get reads from a registry. docker-registry 2.8 writes its links in place, and answers 500 to who reads one meanwhile; a client that was killed leaves it at
// work for a moment.
func get(t *testing.T, s *server, path string) ([]byte, bool) {
	t.Helper()
	for try := 0; ; try++ {
		data, status := getOnce(t, s, path)
		if status < 500 || try == 5 {
			return data, status == http.StatusOK
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// getOnce returns what was answered, and the status; a body that breaks off is status 0.
func getOnce(t *testing.T, s *server, path string) ([]byte, int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://%s/v2/app/%s", s.host, path), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", ocispec.MediaTypeImageManifest)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return data, 0
	}
	return data, resp.StatusCode
}

// checkLayout looks at a layout that somebody was killed over: index.json is whole, every blob is what its name says, and what has a name is
// complete. It returns the names.
func (v *victim) checkLayout(dir string) []string {
	v.t.Helper()
	blobs := v.path(filepath.Join(dir, "blobs/sha256"))
	v.files(blobs, func(path string, info os.FileInfo) { v.checkBlob(path, filepath.Base(path), info) })
	text, err := os.ReadFile(v.path(filepath.Join(dir, "index.json")))
	if os.IsNotExist(err) {
		return nil
	}
	var index ocispec.Index
	if err != nil || json.Unmarshal(text, &index) != nil || index.SchemaVersion != 2 {
		v.t.Errorf("index.json: %v\n%s", err, text)
	}
	var names []string
	for _, desc := range index.Manifests {
		names = append(names, desc.Annotations[ocispec.AnnotationRefName])
		var manifest ocispec.Manifest
		data, err := os.ReadFile(filepath.Join(blobs, desc.Digest.Encoded()))
		if err != nil || json.Unmarshal(data, &manifest) != nil {
			v.t.Errorf("%s: %v\n%s", names[len(names)-1], err, data)
		}
		for _, child := range append(manifest.Layers, manifest.Config) {
			if info, err := os.Stat(filepath.Join(blobs, child.Digest.Encoded())); err != nil || info.Size() != child.Size {
				v.t.Errorf("%s: %s is missing or has another size: %v", names[len(names)-1], child.Digest, err)
			}
		}
	}
	return names
}

func (v *victim) wantTags(dir string, tags ...string) {
	v.t.Helper()
	names := v.checkLayout(dir)
	for _, tag := range tags {
		if !slices.Contains(names, tag) {
			v.t.Errorf("%s is not in %q", tag, names)
		}
	}
}

func hashOf(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(hash.Sum(nil))
}
