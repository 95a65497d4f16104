package starlib

import (
	"bytes"
	"net/http"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestSeedFailures holds scripts against what broke the npm library that the language comes from, where it takes a registry that is slow, odd or hostile. The rest
// of that list is in testdata/run and core/layer.
func TestSeedFailures(t *testing.T) {
	const build = `
img = image(REG + "/base:oci", REG + "/app")
img.add_files({"/a": "app"})
print(img.save().digest)
`
	const fourLayers = `
img = image(REG + "/base:oci", REG + "/app")
for n in range(4):
    img.add_files({"/%d" % n: b"x" * (1000 - n)})
img.save()
assert.eq([names(REG + "/app", "latest", 2 + n) for n in range(4)], [["0"], ["1"], ["2"], ["3"]])
`
	const exact = `
c = client(REG + "/base", write = True)
data = b"\x00\xff\xfe" * 1000
assert.eq(c.blob(c.upload(data).digest), data)
`
	forge := func(class registrytest.Class) func(registrytest.Class, string, []byte) []byte {
		return func(c registrytest.Class, _ string, body []byte) []byte {
			if c != class {
				return body
			}
			return bytes.Replace(body, []byte(`"amd64"`), []byte(`"evil0"`), 1)
		}
	}
	forgeManifest := func(c registrytest.Class, _ string, body []byte) []byte {
		if c != registrytest.ClassManifest {
			return body
		}
		return bytes.Replace(body, []byte(`"size":`), []byte(`"size" :`), 1)
	}
	tests := []struct {
		name   string
		quirks registrytest.Quirks
		faults []registrytest.Fault
		script string
		want   string // of the error; "" is none
	}{
		{"four layers on a slow base", registrytest.Quirks{}, []registrytest.Fault{{Method: http.MethodGet, Match: "/base/", Times: -1, Delay: 30 * time.Millisecond}}, fourLayers, ""},
		{"relative Location", registrytest.Quirks{RelativeLocation: true}, nil, build, ""},
		{"Location with state", registrytest.Quirks{LocationState: true}, nil, build, ""},
		{"PATCH answers 200", registrytest.Quirks{PatchStatus: 200}, nil, build, ""},
		{"PATCH answers 201", registrytest.Quirks{PatchStatus: 201}, nil, build, ""},
		{"PATCH answers 204", registrytest.Quirks{PatchStatus: 204}, nil, build, ""},
		{"PATCH is refused", registrytest.Quirks{RefusePatch: 405}, nil, build, ""},
		{"mounts are refused", registrytest.Quirks{RefuseMount: true}, nil, build, ""},
		{"no Docker-Content-Digest", registrytest.Quirks{NoContentDigest: true}, nil, build, ""},
		{"HEAD of blobs fails", registrytest.Quirks{BlobHead: 403}, nil, build, ""},
		{"HEAD of manifests fails", registrytest.Quirks{ManifestHead: 405}, nil, build, ""},
		{"tags by pages, with nulls", registrytest.Quirks{TagPage: 2, TagNulls: true}, nil, `assert.eq(len(client(REG + "/base").tags()), 7)`, ""},
		{"binary blob", registrytest.Quirks{}, nil, exact, ""},
		{"binary blob without digests", registrytest.Quirks{NoContentDigest: true, RelativeLocation: true}, nil, exact, ""},
		{"a request fails once", registrytest.Quirks{}, []registrytest.Fault{{Method: http.MethodPut, Status: 503}, {Method: http.MethodGet, Class: registrytest.ClassBlob, Drop: true}}, build, ""},
		{"forged config", registrytest.Quirks{Forge: forge(registrytest.ClassBlob)}, nil, build, `^image: .*sha256:`},
		{"forged manifest", registrytest.Quirks{Forge: forgeManifest}, nil, `image(REG + "/base@" + digest(remote_bytes(REG + "/base", "oci")), REG + "/app").save()`, `^image: .*sha256:`},
		{"forged blob", registrytest.Quirks{Forge: func(registrytest.Class, string, []byte) []byte { return []byte("forged") }}, nil,
			`client(REG + "/base").blob(remote_manifest(REG + "/base", "oci")["config"]["digest"])`, `^blob: .*sha256:`},
		{"forged child of an index", registrytest.Quirks{Forge: func(c registrytest.Class, ref string, body []byte) []byte {
			if ref != "index" && c == registrytest.ClassManifest {
				return append(body, ' ')
			}
			return body
		}}, nil, `image(REG + "/base:index", REG + "/app").save()`, `^save: .*sha256:`},
		{"Docker schema 1", registrytest.Quirks{NoContentDigest: true, Forge: func(c registrytest.Class, ref string, body []byte) []byte {
			if c == registrytest.ClassManifest {
				return []byte(`{"schemaVersion": 1, "name": "base", "fsLayers": [], "history": []}`)
			}
			return body
		}}, nil, build, `^image: .*schema 1`},
		{"upload refused", registrytest.Quirks{}, []registrytest.Fault{{Method: http.MethodPost, Times: -1, Status: 403, Body: `{"errors":[{"code":"DENIED","message":"no \u001b[31m"}]}`}}, build, `^save: push .*/app: blob .*: 403 denied: "no`},
		{"an HTML page", registrytest.Quirks{}, []registrytest.Fault{{Method: http.MethodGet, Class: registrytest.ClassManifest, Times: -1, Status: 500, Body: "<html>oops"}}, build, `^image: .*500`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.script)
			w.reg.SetQuirks(tt.quirks)
			w.reg.SetFaults(tt.faults...)
			_, err := w.run(t.Context(), "proj/build.star", tt.script)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && err == nil:
				t.Error("no error")
			case err != nil:
				e := asError(err, nil)
				if !regexp.MustCompile(tt.want).MatchString(e.Msg) || bytes.ContainsRune([]byte(e.Detail()), 0x1b) {
					t.Errorf("got %q", e.Msg)
				}
				if slices.Contains(w.reg.Tags("app"), "latest") {
					t.Error("the tag moved")
				}
			}
		})
	}
}
