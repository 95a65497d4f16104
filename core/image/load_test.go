package image_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
	"github.com/imgscript/imgscript/core/image"
)

// The bytes of what is only copied are the other tool's, to the last blank: the digest is, too.
func TestPrettyPrintedImageKeepsItsDigest(t *testing.T) {
	img := withConfig(t, content.DockerManifest, pretty)
	again := reloaded(t, img)
	if string(again.Config()) != pretty || again.Descriptor().Digest != img.Descriptor().Digest {
		t.Errorf("got %s", again.Config())
	}
}

func TestLoadRefuses(t *testing.T) {
	id := fmt.Sprintf("%q", digest.FromString("A"))
	for _, c := range []struct{ name, config, layers, want string }{
		{"no JSON", `<html>`, ``, "config"},
		{"no object", `[]`, ``, "config"},
		{"more layers than diff IDs", `{"rootfs":{"diff_ids":[]}}`, `a`, "1 layers, but the config has 0 diff IDs"},
		{"more diff IDs than layers", `{"rootfs":{"diff_ids":[` + id + `]}}`, ``, "0 layers, but the config has 1 diff IDs"},
		{"no rootfs", `{}`, `a`, "0 diff IDs"},
		{"malformed diff ID", `{"rootfs":{"diff_ids":["sha256:x"]}}`, `a`, "diff ID"},
		{"a key twice", `{"os":"linux","os":"windows"}`, ``, "twice"},
		{"a key twice, deeper", `{"config":{"Env":[],"Env":[]}}`, ``, "twice"},
		{"a key in two cases", `{"config":{"Env":["A=1"],"env":["A=2"]}}`, ``, "differ only in case"},
		{"config in two cases", `{"config":{},"Config":{}}`, ``, "differ only in case"},
		{"rootfs in two cases", `{"rootfs":{"diff_ids":[],"DIFF_IDS":[]}}`, ``, "differ only in case"},
		{"something behind it", `{}{}`, ``, "follows"},
		{"env no list", `{"config":{"Env":"A=1"}}`, ``, "config.Env: unexpected string"},
		{"config a list", `{"config":[]}`, ``, "no JSON object"},
		{"os a number", `{"os":1}`, ``, "os: unexpected number"},
		{"history no list", `{"history":{}}`, ``, "history: unexpected object"},
	} {
		src := new(content.Memory)
		config := put(t, src, content.OCIConfig, c.config)
		var layers []string
		for _, name := range c.layers {
			layers = append(layers, descriptor(put(t, src, content.OCILayer, string(name))))
		}
		desc := put(t, src, content.OCIManifest, `{"schemaVersion":2,"config":`+descriptor(config)+`,"layers":[`+strings.Join(layers, ",")+`]}`)
		img, err := image.Load(t.Context(), src, desc)
		if !errors.Is(err, content.ErrInvalid) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), desc.Digest.String()) {
			t.Errorf("%s: got %v, %v; want ErrInvalid with %q and the digest", c.name, img, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "Go ") {
			t.Errorf("%s: not a text for users: %v", c.name, err)
		}
	}
}

func TestLoadOfWhatIsNoImage(t *testing.T) {
	src := new(content.Memory)
	one := contenttest.Image(t, src, content.OCIManifest, 1)
	index := contenttest.Index(t, src, content.OCIIndex, one)
	if _, err := image.Load(t.Context(), src, index); !errors.Is(err, content.ErrInvalid) || !strings.Contains(err.Error(), "index") {
		t.Errorf("an index: %v", err)
	}
	if _, err := image.Load(t.Context(), src, content.Of(content.OCIManifest, []byte("x"))); !errors.Is(err, content.ErrNotFound) {
		t.Errorf("missing: %v", err)
	}
	junk := put(t, src, content.OCIManifest, "junk")
	if _, err := image.Load(t.Context(), src, junk); !errors.Is(err, content.ErrInvalid) {
		t.Errorf("junk: %v", err)
	}
	missing := content.Of(content.OCIConfig, []byte("missing"))
	noConfig := put(t, src, content.OCIManifest, `{"schemaVersion":2,"config":`+descriptor(missing)+`,"layers":[]}`)
	if _, err := image.Load(t.Context(), src, noConfig); !errors.Is(err, content.ErrNotFound) || !strings.Contains(err.Error(), "config") {
		t.Errorf("no config: %v", err)
	}
}

// forger serves other bytes than were asked for, of the same length.
type forger struct {
	*content.Memory
	forge digest.Digest
}

// Fetch implements content.Fetcher; it is what a registry sends, and a store that keeps its promises verifies it.
func (f forger) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	if desc.Digest != f.forge {
		return f.Memory.Fetch(ctx, desc)
	}
	return content.Verify(io.NopCloser(strings.NewReader(strings.Repeat(" ", int(desc.Size)))), desc)
}

func TestLoadRefusesForgedManifestAndConfig(t *testing.T) {
	src := new(content.Memory)
	desc := contenttest.Image(t, src, content.OCIManifest, 1)
	config := load(t, src, desc).ConfigDescriptor()
	for _, forged := range []digest.Digest{desc.Digest, config.Digest} {
		if _, err := image.Load(t.Context(), forger{src, forged}, desc); !errors.Is(err, content.ErrVerification) {
			t.Errorf("got %v, want ErrVerification", err)
		}
	}
	// The manifest's word on the config's size is held to, too.
	wrong := config
	wrong.Size++
	lie := put(t, src, content.OCIManifest, `{"schemaVersion":2,"config":`+descriptor(wrong)+`,"layers":[]}`)
	if _, err := image.Load(t.Context(), src, lie); !errors.Is(err, content.ErrVerification) {
		t.Errorf("wrong size: got %v, want ErrVerification", err)
	}
}

func TestArtifactsAreCopiedAndNotChanged(t *testing.T) {
	src := new(content.Memory)
	config, chart := put(t, src, "application/vnd.cncf.helm.config.v1+json", `not even JSON`), put(t, src, "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "chart")
	img := load(t, src, put(t, src, content.OCIManifest, `{"schemaVersion":2,"config":`+descriptor(config)+`,"layers":[`+descriptor(chart)+`]}`))
	reloaded(t, img)
	if img.Config() != nil || img.Platform() != (image.Platform{}) || len(img.Layers()) != 1 || img.Layers()[0].DiffID != "" {
		t.Errorf("config %s, platform %s, layers %v", img.Config(), img.Platform(), img.Layers())
	}
	if _, ok := img.Env("A"); ok {
		t.Error("it has an environment")
	}
	_, z := added(t, content.OCILayer)
	for name, f := range map[string]func() error{
		"With":        func() error { _, err := img.With(&image.Changes{User: text("x")}); return err },
		"Append":      func() error { _, err := img.Append(src, z); return err },
		"RemoveLayer": func() error { _, _, err := img.RemoveLayer(chart.Digest); return err },
		"WithFormat":  func() error { _, err := img.WithFormat(image.FormatDocker); return err },
		"WithJSON":    func() error { _, err := img.WithJSON([]byte(`{}`), nil); return err },
	} {
		if err := f(); !errors.Is(err, image.ErrArtifact) {
			t.Errorf("%s: got %v, want ErrArtifact", name, err)
		}
	}
}

func TestAccessorsGiveCopies(t *testing.T) {
	img := withConfig(t, content.OCIManifest, pretty)
	img.Manifest()[0], img.Config()[0] = 'x', 'x'
	reloaded(t, img)
}

func TestWithJSON(t *testing.T) {
	base := withHistory(t, "ab", `[{"created_by" : "A"},{"created_by" : "B"}]`)
	config := strings.Replace(string(base.Config()), `"created_by" : "B"`, `"created_by":"edited"`, 1)
	img, err := base.WithJSON(nil, []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	if got := history(img); got != `[{"created_by" : "A"},{"created_by":"edited"}]` {
		t.Errorf("history %s", got)
	}
	reloaded(t, img)

	// Both, as when a layer is replaced by hand; the config's descriptor in the manifest is the library's to write.
	src, z := added(t, content.OCILayerGzip)
	b := base.Layers()[1]
	swap := strings.NewReplacer(b.Digest.String(), z.Layer.Descriptor.Digest.String(), b.DiffID.String(), z.Layer.DiffID.String())
	img, err = base.WithJSON([]byte(swap.Replace(string(base.Manifest()))), []byte(swap.Replace(string(base.Config()))))
	if err != nil || letters(t, img) != "az" {
		t.Fatalf("layers %s, %v", letters(t, img), err)
	}
	if _, err := img.Fetch(t.Context(), z.Layer.Descriptor); !errors.Is(err, content.ErrNotFound) {
		t.Errorf("a layer that nobody brought: %v", err)
	}
	_ = src
	for name, edited := range map[string][2]string{
		"a layer less":          {strings.Replace(string(base.Manifest()), ","+descriptor(b.Descriptor), "", 1), ""},
		"no layers":             {`{"schemaVersion":2,"config":` + descriptor(base.ConfigDescriptor()) + `}`, ""},
		"no config":             {`{"schemaVersion":2,"layers":[]}`, ""},
		"an index":              {`{"schemaVersion":2,"manifests":[]}`, ""},
		"an array":              {`[]`, ""},
		"null":                  {`null`, ""},
		"no JSON":               {`{`, ""},
		"a config without IDs":  {"", `{"rootfs":{}}`},
		"a config, wrong types": {"", `{"os":1}`},
		"a config, no JSON":     {"", `x`},
		"a config, null":        {"", `null`},
		"negative size":         {strings.Replace(string(base.Manifest()), `"size": 1,`, `"size": -1,`, 1), ""},
	} {
		var m, c []byte
		if edited[0] != "" {
			m = []byte(edited[0])
		}
		if edited[1] != "" {
			c = []byte(edited[1])
		}
		if img, err := base.WithJSON(m, c); !errors.Is(err, content.ErrInvalid) {
			t.Errorf("%s: got %v, %v; want ErrInvalid", name, img, err)
		}
	}
}

// TestWithJSONChecksTypes: what is edited has the type that engines read; what a base has is left alone.
func TestWithJSONChecksTypes(t *testing.T) {
	odd := withConfig(t, content.OCIManifest, `{"rootfs":{"type":"layers","diff_ids":[]},"os":"linux","config":{"Labels":["odd"],"Cmd":["a"]}}`)
	for config, want := range map[string]string{
		`{"Cmd":"node"}`:                   "config: Cmd: want a list of strings, got \"node\"",
		`{"Env":{"A":"b"}}`:                "config",
		`{"ExposedPorts":["80/tcp"]}`:      "config: ExposedPorts: want an object",
		`{"Labels":{"a":1}}`:               "config: Labels: want an object of strings",
		`{"WorkingDir":["/app"],"User":1}`: "config: User: want a string, got 1\nconfig: WorkingDir: want a string",
		`{"Labels":["odd"],"Cmd":["b"]}`:   "",
		`{"Labels":null,"Cmd":null}`:       "",
		`{"Other":[1,{}]}`:                 "",
	} {
		var whole map[string]json.RawMessage
		if err := json.Unmarshal(odd.Config(), &whole); err != nil {
			t.Fatal(err)
		}
		whole["config"] = json.RawMessage(config)
		edited, err := json.Marshal(whole)
		if err != nil {
			t.Fatal(err)
		}
		_, err = odd.WithJSON(nil, edited)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", config, err)
		case want != "" && (!errors.Is(err, content.ErrInvalid) || !strings.Contains(strings.ReplaceAll(err.Error(), "invalid ", ""), want)):
			t.Errorf("%s: got %v, want %q", config, err, want)
		}
	}
}

func TestWithJSONDropsTheConfigsData(t *testing.T) {
	src := new(content.Memory)
	config := put(t, src, content.OCIConfig, `{"os":"linux"}`)
	base := load(t, src, put(t, src, content.OCIManifest, fmt.Sprintf(
		`{"schemaVersion":2,"config":{"mediaType":%q,"data":"eyJvcyI6ImxpbnV4In0=","size":14,"digest":%q},"layers":[]}`, config.MediaType, config.Digest)))
	img, err := base.With(&image.Changes{User: text("x")})
	if err != nil || strings.Contains(string(img.Manifest()), "data") {
		t.Errorf("got %s, %v", img.Manifest(), err)
	}
	img, err = base.With(&image.Changes{Annotations: map[string]string{"a": "1"}})
	if err != nil || !strings.Contains(string(img.Manifest()), "data") {
		t.Errorf("got %s, %v", img.Manifest(), err)
	}
}

func TestMessagesQuoteWhatOthersSay(t *testing.T) {
	src := new(content.Memory)
	config := put(t, src, content.OCIConfig, `{}`)
	config.MediaType = "x\x1b[2J"
	manifest := strings.ReplaceAll(`{"schemaVersion":2,"config":`+descriptor(config)+`,"layers":[]}`, `\x1b`, `\u001b`)
	_, err := image.Load(t.Context(), src, put(t, src, content.OCIManifest, manifest))
	if err == nil || strings.ContainsRune(err.Error(), 0x1b) {
		t.Errorf("got %q", err)
	}
	for _, config := range []string{`{"os":"\u001b[31m"}`, `{"os":"linux","architecture":"\u202e46dma"}`, `{"variant":"\u0000"}`, `{"os.version":"\ud800"}`} {
		desc := put(t, src, content.OCIConfig, config)
		_, err := image.Load(t.Context(), src, put(t, src, content.OCIManifest, `{"schemaVersion":2,"config":`+descriptor(desc)+`,"layers":[]}`))
		if !errors.Is(err, content.ErrInvalid) || strings.ContainsAny(err.Error(), "\x1b\u202e\x00") {
			t.Errorf("%s: got %q", config, err)
		}
	}
}
