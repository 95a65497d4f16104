package build_test

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/layout"
	"github.com/imgscript/imgscript/core/registry"
)

var update = flag.Bool("update", false, "write testdata anew")

// What the reading of a malformed document may take. The time has ten times slack: other tests run beside this one. The race detector makes
// everything ten times slower and twice as big.
const (
	maxBytes       = 16 << 20 * (1 + raceDetector)
	maxTime        = 10 * 100 * time.Millisecond * (1 + 9*raceDetector)
	leastMalformed = 4000
)

// The file that lists the changed documents which are read all the same, because what was changed says nothing, or nothing that matters to us.
const harmlessFile = "testdata/harmless.txt"

// reading is one kind of document: a good one, and how it is read.
type reading struct {
	kind  string
	good  string
	read  func(t *testing.T, text string) func() error
	fails bool // the good one is an error, too: that is what it says
}

// TestMalformed reads documents with one thing changed. Each is refused with an error that says why, or is in the list of the harmless; and each within the
// bounds of time and memory.
func TestMalformed(t *testing.T) {
	var harmless []string
	refused, most := 0, uint64(0)
	var slowest time.Duration
	for _, r := range readings() {
		if err := r.read(t, r.good)(); (err != nil) != r.fails {
			t.Errorf("%s: the good one: %v", r.kind, err)
		}
		names := map[string]bool{}
		for _, m := range mutants(t, r.good) {
			name := r.kind + ": " + m.name
			if names[name] {
				t.Errorf("two are %s", name)
			}
			names[name] = true
			took, allocated, err := cost(r.read(t, m.text))
			if took > maxTime || allocated > maxBytes {
				t.Errorf("%s: took %v and %d KiB: %.200v", name, took, allocated>>10, err)
			}
			slowest, most = max(slowest, took), max(most, allocated)
			if err == nil {
				harmless = append(harmless, name)
				continue
			}
			if !r.fails {
				refused++
			}
			checkError(t, name, err)
		}
	}
	t.Logf("%d malformed documents are refused, %d harmless ones are read; at most %v and %d KiB", refused, len(harmless), slowest, most>>10)
	if refused < leastMalformed {
		t.Errorf("%d malformed documents, want at least %d", refused, leastMalformed)
	}
	compareHarmless(t, harmless)
}

// cost is what a reading takes: the time, the best of three if it is long, and the bytes allocated.
func cost(read func() error) (took time.Duration, allocated uint64, err error) {
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		err = read()
		took = time.Since(start)
		runtime.ReadMemStats(&after)
		if allocated = after.TotalAlloc - before.TotalAlloc; took <= maxTime && allocated <= maxBytes {
			break
		}
	}
	return took, allocated, err
}

// checkError holds an error to what people can read.
func checkError(t *testing.T, name string, err error) {
	t.Helper()
	text := err.Error()
	known := errors.Is(err, content.ErrInvalid) || errors.As(err, new(*registry.Error)) || strings.Contains(text, "more than the limit")
	switch {
	case !known:
		t.Errorf("%s: of no known kind: %s", name, text)
	case len(text) > 2500:
		t.Errorf("%s: %d bytes of error: %.200s…", name, len(text), text)
	case strings.Contains(text, "Go ") || strings.Contains(text, " json: ") || strings.Contains(text, "unmarshal"):
		t.Errorf("%s: not a text for users: %s", name, text)
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }):
		t.Errorf("%s: a terminal would obey %q", name, text)
	}
}

func compareHarmless(t *testing.T, got []string) {
	t.Helper()
	slices.Sort(got)
	text := strings.Join(got, "\n") + "\n"
	if *update {
		if err := os.MkdirAll(filepath.Dir(harmlessFile), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(harmlessFile, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(harmlessFile)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(string(data)), "\n")
	for _, name := range got {
		if !slices.Contains(want, name) {
			t.Errorf("%s is read, and not in %s", name, harmlessFile)
		}
	}
	for _, name := range want {
		if !slices.Contains(got, name) {
			t.Errorf("%s is in %s, and refused", name, harmlessFile)
		}
	}
}

func readings() []reading {
	dgst := digest.FromString("").String()
	desc := func(mediaType, more string) string {
		return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":3%s}`, mediaType, dgst, more)
	}
	manifest := func(manifestType, config, layer string) string {
		return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s,%s],"subject":%s,"annotations":{"a":"b"}}`,
			manifestType, desc(config, ""), desc(layer, `,"urls":["https://a.example/"]`), desc(layer, `,"annotations":{"k":"v"},"data":"YQ=="`), desc(manifestType, ""))
	}
	index := func(indexType, manifestType string) string {
		return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s],"annotations":{"a":"b"}}`,
			indexType, desc(manifestType, `,"platform":{"architecture":"arm64","os":"linux","os.version":"1","os.features":["f"],"variant":"v8"}`))
	}
	parse := func(mediaType string) func(*testing.T, string) func() error {
		return func(_ *testing.T, text string) func() error {
			return func() error {
				_, err := content.ParseDocument(mediaType, []byte(text))
				return err
			}
		}
	}
	return []reading{
		{kind: "manifest", good: manifest(content.OCIManifest, content.OCIConfig, content.OCILayerGzip), read: parse(content.OCIManifest)},
		{kind: "manifest of no type", good: manifest(content.OCIManifest, content.OCIConfig, content.OCILayerGzip), read: parse("")},
		{kind: "Docker manifest", good: manifest(content.DockerManifest, content.DockerConfig, content.DockerLayerGzip), read: parse(content.DockerManifest)},
		{kind: "index", good: index(content.OCIIndex, content.OCIManifest), read: parse(content.OCIIndex)},
		{kind: "Docker list", good: index(content.DockerList, content.DockerManifest), read: parse(content.DockerList)},
		{kind: "config", good: `{"architecture":"amd64","os":"linux","variant":"v2","os.version":"1","config":{"Env":["A=1"],"WorkingDir":"/","Cmd":["sh"],"Labels":{"a":"b"}},` +
			`"rootfs":{"type":"layers","diff_ids":["` + dgst + `"]},"history":[{"created":"2026-01-01T00:00:00Z","created_by":"x","empty_layer":false}]}`, read: readConfig},
		{kind: "index.json", good: index(content.OCIIndex, content.OCIManifest), read: readLayout},
		{kind: "tag list", good: `{"name":"app","tags":["a","b"]}`, read: fromRegistry(http.StatusOK, "/v2/app/tags/list", func(t *testing.T, repo *registry.Repository) error {
			_, err := repo.Tags(t.Context())
			return err
		})},
		{kind: "referrers", good: index(content.OCIIndex, content.OCIManifest), read: fromRegistry(http.StatusOK, "/v2/app/referrers/"+dgst, func(t *testing.T, repo *registry.Repository) error {
			_, err := repo.Referrers(t.Context(), digest.Digest(dgst), "")
			return err
		})},
		{kind: "token", good: `{"token":"t","access_token":"t","expires_in":300,"issued_at":"2026-01-01T00:00:00Z"}`, read: fromRegistry(http.StatusOK, "/token", resolve)},
		{kind: "token error", good: `{"errors":[{"code":"DENIED","message":"m","detail":"d"}],"details":"x","error":"invalid_grant","error_description":"y"}`,
			read: fromRegistry(http.StatusBadRequest, "/token", resolve), fails: true},
		{kind: "error", good: `{"errors":[{"code":"UNKNOWN","message":"m","detail":{"a":"b"}}]}`,
			read: fromRegistry(http.StatusBadRequest, "/v2/app/manifests/v1", resolve), fails: true},
	}
}

func resolve(t *testing.T, repo *registry.Repository) error {
	_, _, err := repo.Manifest(t.Context(), "v1")
	return err
}

// readConfig reads a config as that of an image of one layer.
func readConfig(t *testing.T, text string) func() error {
	src := new(content.Memory)
	put := func(mediaType, data string) content.Descriptor {
		desc := content.Of(mediaType, []byte(data))
		if err := src.Push(t.Context(), desc, content.FromBytes([]byte(data))); err != nil {
			t.Fatal(err)
		}
		return desc
	}
	config := put(content.OCIConfig, text)
	manifest := put(content.OCIManifest, fmt.Sprintf(`{"schemaVersion":2,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[{"mediaType":%q,"digest":%q,"size":0}]}`,
		config.MediaType, config.Digest, config.Size, content.OCILayer, digest.FromString("")))
	return func() error {
		_, err := image.Load(t.Context(), src, manifest)
		return err
	}
}

// readLayout reads an index.json by asking a layout for its only image.
func readLayout(t *testing.T, text string) func() error {
	dir := t.TempDir()
	for name, data := range map[string]string{"oci-layout": `{"imageLayoutVersion":"1.0.0"}`, "index.json": text} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return func() error {
		l, err := layout.Open(dir, &layout.Options{ReadOnly: true})
		if err != nil {
			return err
		}
		_, err = l.Resolve(t.Context(), "latest")
		if errors.Is(err, content.ErrNotFound) { // a list that lacks what was asked for is a good one
			return nil
		}
		return err
	}
}

// fromRegistry reads a document that a registry answers with at a path, or its token server.
func fromRegistry(status int, path string, read func(*testing.T, *registry.Repository) error) func(*testing.T, string) func() error {
	return func(t *testing.T, text string) func() error {
		keychain, err := auth.Map{"reg.example": {Username: "ann", Secret: "secret"}}.Keychain(nil)
		if err != nil {
			t.Fatal(err)
		}
		c := registry.New(&registry.Options{Keychain: keychain, Transport: &canned{path, status, text}, Backoff: registry.Backoff{Tries: 1}})
		repo := c.Repository("reg.example", "app")
		return func() error { return read(t, repo) }
	}
}

// canned is a registry that answers with one text at one path, wants a token where that is the token server's, and has an image otherwise.
type canned struct {
	path   string
	status int
	text   string
}

// RoundTrip implements http.RoundTripper.
func (c *canned) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := func(status int, header http.Header, text string) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(text)), ContentLength: int64(len(text)), Request: r}, nil
	}
	switch {
	case r.URL.Path == c.path:
		return answer(c.status, http.Header{}, c.text)
	case c.path == "/token" && !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer "):
		return answer(http.StatusUnauthorized, http.Header{"Www-Authenticate": {`Bearer realm="https://reg.example/token"`}}, "")
	}
	return answer(http.StatusOK, http.Header{}, fmt.Sprintf(`{"schemaVersion":2,"config":{"mediaType":"x","digest":%q,"size":0},"layers":[]}`, digest.FromString("")))
}
