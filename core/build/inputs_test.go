package build_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layer"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// readAll is a program that reads something of every kind.
func readAll(r *build.Run, reg *registrytest.Server, fetched string, blob digest.Digest) error {
	img, err := r.Image(at("line 1"), reg.Host+"/base:v1", &build.ImageOptions{Target: reg.Host + "/app"})
	if err != nil {
		return err
	}
	img.AddFiles(at("line 2"), []build.File{{Target: "/srv", Local: "dist"}, {Target: "/made", Custom: &layer.Custom{}, Data: build.BytesBlob("text", []byte("made"))}},
		&layer.Options{IgnoreFiles: []string{".ignore"}})
	file, err := r.Fetch(at("line 3"), fetched+"/f?token=s3cr3t", build.FetchOptions{SHA256: digest.FromString("fetched").Encoded(), Size: -1})
	if err != nil {
		return err
	}
	local, err := r.FileBlob("data")
	if err != nil {
		return err
	}
	img.AddFiles(at("line 4"), []build.File{{Target: "/f", Custom: &layer.Custom{}, Data: file}, {Target: "/g", Custom: &layer.Custom{}, Data: local}}, nil)
	if _, err := img.Save(at("line 5"), nil).Wait(); err != nil {
		return err
	}
	again, err := r.Image(at("line 6"), reg.Host+"/app", &build.ImageOptions{Target: reg.Host + "/again"})
	if err != nil {
		return err
	}
	if _, err := again.Save(at("line 7"), nil).Wait(); err != nil {
		return err
	}
	if _, err := r.ReadFile("data", 100); err != nil {
		return err
	}
	if _, err := r.ReadScript("//build.star", 100); err != nil {
		return err
	}
	if _, err := r.Glob([]string{"dist/*"}, []string{"dist/.*"}, nil); err != nil {
		return err
	}
	if _, err := r.Credential("other.example/x", auth.Map{"other.example": {KeyFilename: "key.json"}}); err == nil {
		return errors.New("the key is none")
	}
	r.NoteInput(build.Input{Kind: build.InputSecret, Name: "hub"})
	r.NoteInput(build.Input{Kind: build.InputVar, Name: "version", Value: "1"})
	return readRemote(r, reg, blob)
}

// readRemote asks a registry for all that a client can be asked for.
func readRemote(r *build.Run, reg *registrytest.Server, blob digest.Digest) error {
	c, err := r.Client(reg.Host+"/base", nil, false)
	if err != nil {
		return err
	}
	desc, err := c.Resolve(at("line 10"), "v1")
	if err != nil {
		return err
	}
	if _, err := c.Resolve(at("line 11"), "v2"); !errors.Is(err, content.ErrNotFound) {
		return err
	}
	_, _, errManifest := c.Manifest(at("line 12"), desc.Digest.String())
	_, errTags := c.Tags(at("line 13"))
	_, errReferrers := c.Referrers(at("line 14"), desc.Digest, "")
	_, errExists := c.BlobExists(at("line 15"), blob)
	_, errBlob := c.ReadBlob(at("line 16"), blob, 1000)
	return errors.Join(errManifest, errTags, errReferrers, errExists, errBlob)
}

// shown is a line for each input.
func shown(inputs []build.Input, replace *strings.Replacer) string {
	var b strings.Builder
	for _, in := range inputs {
		line := fmt.Sprintf("%s %s %s", in.Kind, in.Op, in.Name)
		if in.Live {
			line += " live"
		}
		if in.Digest != "" {
			line += " " + in.Digest.Encoded()[:6]
		}
		if in.Value != "" {
			line += " = " + in.Value
		}
		for platform, dgst := range in.Manifests {
			line += " " + platform + " " + dgst.Encoded()[:6]
		}
		fmt.Fprintln(&b, line)
		for _, f := range in.Files {
			fmt.Fprintf(&b, "    %s %d %s\n", f.Name, f.Size, f.Link)
		}
	}
	return replace.Replace(b.String())
}

// TestInputs: the report lists all that a run read, each once, in an order that depends on nothing, without a secret and a path of this machine. An image that the run saved before is
// none. Without the option there is nothing.
func TestInputs(t *testing.T) {
	reg := registrytest.New(t, nil)
	seeded := base(t, reg)
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fetched") }))
	t.Cleanup(files.Close)
	root := tree(t, map[string]string{
		"build.star": "x = 1", "data": "data", "key.json": `{"token": "s3cr3t"}`, "dist/a.js": "a", "dist/b.js": "bb", "dist/c.log": "c", "dist/.ignore": "*.log\n",
	})
	blob := reg.PushBlob("base", []byte("a blob")).Digest
	sum := func(text string) string { return digest.FromString(text).Encoded()[:6] }
	manifest := seeded.Manifest.Digest.Encoded()[:6]
	list := func(lines ...string) string { return sum(strings.Join(lines, "\n") + "\n") }
	line := func(name, text string) string {
		return fmt.Sprintf("%s %d %q", digest.FromString(text), len(text), name)
	}
	want := "base  REG/base:v1 " + manifest + " linux/amd64 " + manifest + "\n" +
		"fetch  FILES/f?… " + sum("fetched") + "\n" +
		"file  //data " + sum("data") + "\n" +
		"glob  dist/* without dist/.* " + list("dist/a.js", "dist/b.js", "dist/c.log") + "\n" +
		"ignore_file  //dist/.ignore " + sum("*.log\n") + "\n" +
		"key_file  //key.json\n" +
		`layer  add_files({"/made": "custom_file", "/srv": "//dist"}) ` + list(line("//dist/.ignore", "*.log\n"), line("//dist/a.js", "a"), line("//dist/b.js", "bb")) + "\n" +
		"    //dist/.ignore 6 \n    //dist/a.js 1 \n    //dist/b.js 2 \n" +
		"read tags REG/base live " + sum("v1\n") + "\n" +
		"read resolve REG/base:v1 live " + manifest + "\n" +
		"read resolve REG/base:v2 live\n" +
		"read blob REG/base@" + blob.String() + " " + blob.Encoded()[:6] + "\n" +
		"read blob_exists REG/base@" + blob.String() + " live " + blob.Encoded()[:6] + "\n" +
		"read manifest REG/base@" + seeded.Manifest.Digest.String() + " " + manifest + "\n" +
		"read referrers REG/base@" + seeded.Manifest.Digest.String() + " live " + sum("") + "\n" +
		"script  //build.star " + sum("x = 1") + "\n" +
		"secret  hub\n" +
		"var  version = 1\n"
	replace := strings.NewReplacer(reg.Host, "REG", files.URL, "FILES")
	for _, jobs := range []int{1, 16} {
		engine := newEngine(t, jobs)
		for range 2 { // the second time nothing is built
			report, err := engine.Do(t.Context(), &build.Options{Root: root, Inputs: true}, func(r *build.Run) error { return readAll(r, reg, files.URL, blob) })
			if err != nil {
				t.Fatal(err)
			}
			if got := shown(report.Inputs, replace); got != want {
				t.Errorf("%d jobs: got\n%s\nwant\n%s", jobs, got, want)
			}
		}
	}
	report, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: root}, func(r *build.Run) error { return readAll(r, reg, files.URL, blob) })
	if err != nil || len(report.Inputs) > 0 {
		t.Errorf("got %v, %v", report.Inputs, err)
	}
}

// TestInputsOfFailure: what was read up to the failure is told.
func TestInputsOfFailure(t *testing.T) {
	report, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: tree(t, map[string]string{"data": "data"}), Inputs: true}, func(r *build.Run) error {
		if _, err := r.ReadFile("data", 100); err != nil {
			return err
		}
		return errors.New("on purpose")
	})
	if err == nil || len(report.Inputs) != 1 || report.Inputs[0].Name != "//data" {
		t.Errorf("got %v, %v", report.Inputs, err)
	}
}
