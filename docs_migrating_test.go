package imgscript_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/imgscript/imgscript/core/registry/registrytest"
	"github.com/imgscript/imgscript/starlib"
	"github.com/imgscript/imgscript/starlib/manual"
)

// packageNames are the calls, options and fields of the npm package container-image-builder 3, and those of node-tar's Pack and of walkdir, which it passes on, below the heading of
// docs/migrating.md that is about them.
var packageNames = map[string]string{
	"Image": `Image baseImage targetImage options ImageOptions auth addFiles targetDirectory localDirectory save tags Cmd Env WorkingDir copyRemoteLayers ignoreExists sync
		getImageConfig getImageData client imageSpecifier writePermission addLayer digest uncompressedDigest size urls removeLayer`,
	"Options of addFiles": "ignores ignoreFiles tar",
	"Options of node-tar": `brotli cwd file filter follow gzip jobs linkCache maxReadSize mode mtime noDirRecurse noMtime noPax onWriteEntry onwarn portable prefix preservePaths readdirCache
		statCache strict sync zstd`,
	"Options of walkdir": "filter find_links follow_symlinks fs max_depth no_recurse no_return return_object sync track_inodes",
	"Results": `save digest status body addFiles addLayer mediaType size urls uncompressedDigest removeLayer getImageConfig ImageConfig getImageData ImageData manifest config rootfs diff_ids
		schemaVersion layers sync`,
	"CustomFile":     "CustomFile data mode size type File Directory Symlink linkPath uid gid mtime atime ctime",
	"auth":           "auth imageSpecifier scope options Username Secret token credentials private_key client_email keyFilename GOOGLE_APPLICATION_CREDENTIALS gcr any google cloud project docker",
	"RegistryClient": "RegistryClient registry repository auth manifest tag tags TagResult name child manifestUpload status digest body blobExists blob stream upload contentLength mount fromRepository",
}

var (
	code = regexp.MustCompile("`[^`]+`")
	word = regexp.MustCompile(`\w+`)
)

// tableRows are the rows of the tables below each heading of a document, by cells.
func tableRows(t *testing.T, file string) map[string][][]string {
	t.Helper()
	rows := map[string][][]string{}
	under := ""
	for line := range strings.Lines(read(t, file)) {
		line = strings.TrimSpace(line)
		if m := heading.FindStringSubmatch(line); m != nil {
			under = m[1]
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if strings.HasPrefix(line, "|") && !strings.HasPrefix(line, "|---") && strings.TrimSpace(cells[0]) != "JavaScript" {
			rows[under] = append(rows[under], cells)
		}
	}
	return rows
}

// TestMigratingIsWhole: docs/migrating.md says of each name of the package what is written here, or why nothing is.
func TestMigratingIsWhole(t *testing.T) {
	all := tableRows(t, "docs/migrating.md")
	for under, names := range packageNames {
		var described []string
		for _, cells := range all[under] {
			if len(cells) != 3 || strings.TrimSpace(cells[1]+cells[2]) == "" {
				t.Errorf("%s: nothing is beside %q", under, cells[0])
			}
			for _, c := range code.FindAllString(cells[0], -1) {
				described = append(described, word.FindAllString(c, -1)...)
			}
		}
		for _, name := range strings.Fields(names) {
			if !slices.Contains(described, name) {
				t.Errorf("%s: %s is missing", under, name)
			}
		}
	}
	for under := range all {
		if packageNames[under] == "" {
			t.Errorf("no names are wanted below %q", under)
		}
	}
}

// ours matches what is called or read of an image, a client, a layer and a save in a document, and parameters.
var ours = regexp.MustCompile(`\b(img|c|layer|saved|found)\.(\w+)|\b(\w+) = `)

// TestMigratingNamesWhatThereIs: the second column has names of the language.
func TestMigratingNamesWhatThereIs(t *testing.T) {
	entries, err := starlib.API()
	if err != nil {
		t.Fatal(err)
	}
	owners := map[string]string{"img": "Image", "c": "Client", "layer": "Layer", "saved": "Saved", "found": "Credential"}
	names := 0
	for under, rows := range tableRows(t, "docs/migrating.md") {
		for _, cells := range rows {
			for _, c := range code.FindAllString(cells[1]+cells[2], -1) {
				for _, m := range ours.FindAllStringSubmatch(c, -1) {
					names++
					name := m[3]
					if name == "" {
						name = owners[m[1]] + "." + m[2]
					}
					if manual.Find(entries, name) == nil {
						t.Errorf("%s: there is no %s", under, name)
					}
				}
			}
		}
	}
	if names < 40 {
		t.Errorf("only %d names", names)
	}
}

// blockWith returns the script of docs/migrating.md that has a text.
func blockWith(t *testing.T, text string) string {
	t.Helper()
	all := blocks(t, "docs/migrating.md")
	i := slices.IndexFunc(all, func(b block) bool { return b.lang == "python" && strings.Contains(b.text, text) })
	if i < 0 {
		t.Fatalf("no script has %s", text)
	}
	return all[i].text
}

// internet answers what a host is asked, and leaves the others to a registry.
type internet struct {
	world
	host   string
	answer func(body string) string

	mu    sync.Mutex
	asked []string
}

// RoundTrip implements http.RoundTripper.
func (i *internet) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host != i.host {
		return i.world.RoundTrip(req)
	}
	body := ""
	if req.Body != nil {
		data, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		body = string(data)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked = append(i.asked, body)
	answer := i.answer(body)
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(answer)), ContentLength: int64(len(answer)), Request: req,
	}, nil
}

// TestMigratingProjects runs the package's example of two Google projects: each key is exchanged for a token, with which the registry is asked.
func TestMigratingProjects(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Auth: registrytest.AuthBasic, Users: map[string]string{"oauth2accesstoken": "access"}, Quirks: registrytest.Quirks{RelativeLocation: true}})
	seeded := reg.PushImage("project1/app", "v1", registrytest.Image{Layers: []map[string]string{{"/f": "f"}}})
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string]func(context.Context) ([]byte, error){}
	for _, project := range []string{"project1", "project2"} {
		secrets[project] = func(context.Context) ([]byte, error) {
			return json.Marshal(map[string]string{
				"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "client_email": "bot@" + project + ".example",
			})
		}
	}
	google := &internet{world: world{reg.Host}, host: "oauth2.googleapis.com", answer: func(string) string { return `{"access_token": "access", "token_type": "Bearer", "expires_in": 3600}` }}
	if err := execOver(t, blockWith(t, `"credentials"`), secrets, google); err != nil {
		t.Fatal(err)
	}
	if desc, _, _ := reg.Manifest("project2/image", "latest"); desc.Digest != seeded.Manifest.Digest {
		t.Errorf("the copy is %v", desc)
	}
	for _, project := range []string{"project1", "project2"} {
		if !slices.ContainsFunc(google.asked, func(body string) bool { return strings.Contains(issuer(t, body), "bot@"+project+".example") }) {
			t.Errorf("the key of %s was not exchanged", project)
		}
	}
}

// issuer is the payload of the token with which a key asks for an access token.
func issuer(t *testing.T, body string) string {
	t.Helper()
	parts := strings.Split(body, ".")
	if len(parts) != 3 {
		t.Fatalf("no token was sent: %q", body)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	return string(payload)
}

// TestMigratingStream runs the package's example of a file that is read from a URL.
func TestMigratingStream(t *testing.T) {
	w := newWorld(t)
	page := &internet{world: w, host: "www.example.com", answer: func(string) string { return "<!doctype html>" }}
	if err := execOver(t, given+blockWith(t, "fetch(")+"img.save()\n", nil, page); err != nil {
		t.Fatal(err)
	}
	if len(page.asked) != 1 {
		t.Errorf("the page was asked for %d times", len(page.asked))
	}
}
