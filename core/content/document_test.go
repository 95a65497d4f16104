package content_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
)

// d is a digest in its proper form; $C, $L and $M in the documents below are a config, a layer and a manifest that use it.
var d = digest.FromString("").String()

func expand(doc string) string {
	entry := func(mediaType string) string {
		return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":3}`, mediaType, d)
	}
	return strings.NewReplacer("$C", entry(content.OCIConfig), "$L", entry(content.OCILayerGzip), "$M", entry(content.OCIManifest),
		"$OM", content.OCIManifest, "$OI", content.OCIIndex, "$DM", content.DockerManifest, "$DL", content.DockerList, "$D", d).Replace(doc)
}

func TestParseDocument(t *testing.T) {
	for _, c := range []struct {
		name, mediaType, doc string
		want                 string // media type
		children             int
	}{
		{"OCI manifest", "$OM", `{"schemaVersion":2,"mediaType":"$OM","config":$C,"layers":[$L,$L]}`, "$OM", 3},
		{"without its own word", "$OM", `{"schemaVersion":2,"config":$C,"layers":[$L]}`, "$OM", 2},
		{"by its own word", "", `{"schemaVersion":2,"mediaType":"$OM","config":$C,"layers":[]}`, "$OM", 1},
		{"server says JSON", "application/json", `{"schemaVersion":2,"mediaType":"$DM","config":$C,"layers":[$L]}`, "$DM", 2},
		{"by its shape, manifest", "", `{"schemaVersion":2,"config":$C,"layers":[$L]}`, "$OM", 2},
		{"by its shape, index", "", `{"schemaVersion":2,"manifests":[$M]}`, "$OI", 1},
		{"Docker manifest", "$DM", `{"schemaVersion":2,"mediaType":"$DM","config":$C,"layers":[$L]}`, "$DM", 2},
		{"Docker list", "$DL", `{"schemaVersion":2,"mediaType":"$DL","manifests":[$M,$M]}`, "$DL", 2},
		{"empty index", "$OI", `{"schemaVersion":2,"manifests":[]}`, "$OI", 0},
		{"null layers", "$OM", `{"schemaVersion":2,"config":$C,"layers":null}`, "$OM", 1},
		{"null manifests beside layers", "$OM", `{"schemaVersion":2,"config":$C,"layers":[$L],"manifests":null}`, "$OM", 2},
		{"no layers", "$OM", `{"schemaVersion":2,"config":$C}`, "$OM", 1},
		{"no schemaVersion", "$OM", `{"config":$C,"layers":[]}`, "$OM", 1},
		{"unknown fields", "$OM", `{"schemaVersion":2,"config":$C,"layers":[],"x":{"Y":[1e999]}}`, "$OM", 1},
		{"annotations in any case", "$OM", `{"schemaVersion":2,"config":$C,"layers":[],"annotations":{"Layers":"1","layers":"2"}}`, "$OM", 1},
		{"white space", "$OM", " \n{\"schemaVersion\":2,\"config\":$C,\"layers\":[] } \n", "$OM", 1},
		{"subject", "$OM", `{"schemaVersion":2,"config":$C,"layers":[],"subject":$M,"artifactType":"x/y"}`, "$OM", 1},
		{"platform of an entry", "$OI", `{"schemaVersion":2,"manifests":[{"mediaType":"$OM","digest":"$D","size":0,"platform":{"os":"windows","os.version":"10","architecture":"amd64"}}]}`, "$OI", 1},
		{"index of an index", "$OI", `{"schemaVersion":2,"manifests":[{"mediaType":"$OI","digest":"$D","size":9}]}`, "$OI", 1},
	} {
		doc, err := content.ParseDocument(expand(c.mediaType), []byte(expand(c.doc)))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if doc.MediaType != expand(c.want) || len(doc.Children()) != c.children {
			t.Errorf("%s: %s with %d children, want %s with %d", c.name, doc.MediaType, len(doc.Children()), expand(c.want), c.children)
		}
	}
}

// malformed documents: name, media type outside, text. Each is refused, and none with a panic.
func malformed() [][3]string {
	return slices.Concat(malformedText(), malformedFields(), malformedKinds())
}

func malformedText() [][3]string {
	return [][3]string{
		// no JSON
		{"empty", "$OM", ``},
		{"white space", "$OM", "  \n"},
		{"a login page", "$OM", `<!doctype html><html></html>`},
		{"cut off", "$OM", `{"schemaVersion":2,"config":$C,"layers":[$L`},
		{"cut off in a key", "$OM", `{"schemaVersion":2,"con`},
		{"cut off after a colon", "$OM", `{"schemaVersion":`},
		{"comma at the end", "$OM", `{"schemaVersion":2,"config":$C,"layers":[],}`},
		{"comma at the end of an array", "$OM", `{"schemaVersion":2,"config":$C,"layers":[$L,]}`},
		{"no colon", "$OM", `{"schemaVersion" 2}`},
		{"no comma", "$OM", `{"schemaVersion":2 "config":$C,"layers":[]}`},
		{"single quotes", "$OM", `{'schemaVersion':2}`},
		{"bare key", "$OM", `{schemaVersion:2}`},
		{"number as key", "$OM", `{1:2}`},
		{"comment", "$OM", `{"schemaVersion":2,/* */"config":$C,"layers":[]}`},
		{"byte order mark", "$OM", "\ufeff" + `{"schemaVersion":2,"config":$C,"layers":[]}`},
		{"two documents", "$OM", `{"schemaVersion":2,"config":$C,"layers":[]}{}`},
		{"text behind it", "$OM", `{"schemaVersion":2,"config":$C,"layers":[]}x`},
		{"NUL behind it", "$OM", `{"schemaVersion":2,"config":$C,"layers":[]}` + "\x00"},
		{"wrong bracket", "$OM", `{"schemaVersion":2,"config":$C,"layers":[}}`},
		{"closing bracket", "$OM", `}`},
		{"not UTF-8", "$OM", `{"schemaVersion":2,"config":$C,"layers":[],"x":"` + "\xff" + `"}`},
		{"a control character", "$OM", `{"schemaVersion":2,"config":$C,"layers":[],"x":"` + "\x01" + `"}`},
		{"leading zero", "$OM", `{"schemaVersion":02,"config":$C,"layers":[]}`},
		{"deep arrays", "$OM", `{"schemaVersion":2,"config":$C,"layers":[],"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`},
		{"deep objects", "$OM", strings.Repeat(`{"x":`, 300) + "1" + strings.Repeat("}", 300)},
		{"deep and cut off", "$OM", strings.Repeat("[", 1_000_000)},
		// no object
		{"null", "$OM", `null`}, {"array", "$OM", `[]`}, {"text", "$OM", `"x"`}, {"number", "$OM", `2`}, {"true", "$OM", `true`},
		// duplicate keys
		{"layers twice", "$OM", `{"schemaVersion":2,"config":$C,"layers":[$L],"layers":[]}`},
		{"config twice", "$OM", `{"schemaVersion":2,"config":$C,"config":$C,"layers":[]}`},
		{"digest twice in a layer", "$OM", `{"schemaVersion":2,"config":$C,"layers":[{"mediaType":"x","digest":"$D","digest":"$D","size":1}]}`},
		{"twice, once escaped", "$OM", `{"schemaVersion":2,"config":$C,"layers":[$L],"l\u0061yers":[]}`},
		{"an annotation twice", "$OM", `{"schemaVersion":2,"config":$C,"layers":[],"annotations":{"a":"1","a":"2"}}`},
		{"an unknown key twice", "$OM", `{"schemaVersion":2,"config":$C,"layers":[],"x":1,"x":1}`},
		// other cases
		{"Layers beside layers", "$OM", `{"schemaVersion":2,"config":$C,"layers":[$L],"Layers":[]}`},
		{"Layers alone", "$OM", `{"schemaVersion":2,"config":$C,"Layers":[$L]}`},
		{"long s", "$OM", `{"schemaVersion":2,"config":$C,"layer` + "ſ" + `":[$L]}`},
		{"MANIFESTS beside layers", "$OM", `{"schemaVersion":2,"config":$C,"layers":[$L],"MANIFESTS":[$M]}`},
		{"Digest of a layer", "$OM", `{"schemaVersion":2,"config":$C,"layers":[{"mediaType":"x","digest":"$D","Digest":"$D","size":1}]}`},
		{"MediaType", "$OM", `{"schemaVersion":2,"MediaType":"$OM","config":$C,"layers":[]}`},
		{"OS of a platform", "$OI", `{"schemaVersion":2,"manifests":[{"mediaType":"$OM","digest":"$D","size":0,"platform":{"OS":"linux","architecture":"amd64"}}]}`},
	}
}

func malformedFields() [][3]string {
	return [][3]string{
		// wrong types
		{"layers an object", "$OM", `{"schemaVersion":2,"config":$C,"layers":{}}`},
		{"layers a text", "$OM", `{"schemaVersion":2,"config":$C,"layers":"x"}`},
		{"config an array", "$OM", `{"schemaVersion":2,"config":[$C],"layers":[]}`},
		{"config a text", "$OM", `{"schemaVersion":2,"config":"$D","layers":[]}`},
		{"mediaType a number", "$OM", `{"schemaVersion":2,"mediaType":1,"config":$C,"layers":[]}`},
		{"schemaVersion a text", "$OM", `{"schemaVersion":"2","config":$C,"layers":[]}`},
		{"schemaVersion 2.5", "$OM", `{"schemaVersion":2.5,"config":$C,"layers":[]}`},
		{"schemaVersion 3", "$OM", `{"schemaVersion":3,"config":$C,"layers":[]}`},
		{"annotations a list", "$OM", `{"schemaVersion":2,"config":$C,"layers":[],"annotations":[]}`},
		{"annotation a number", "$OM", `{"schemaVersion":2,"config":$C,"layers":[],"annotations":{"a":1}}`},
		{"layer a text", "$OM", `{"schemaVersion":2,"config":$C,"layers":["$D"]}`},
		{"layer null", "$OM", `{"schemaVersion":2,"config":$C,"layers":[null]}`},
		{"no size", "$OM", `{"schemaVersion":2,"config":$C,"layers":[{"mediaType":"x","digest":"$D"}]}`},
		{"no size of the config", "$OM", `{"schemaVersion":2,"config":{"mediaType":"x","digest":"$D"},"layers":[]}`},
		{"size null", "$OI", `{"schemaVersion":2,"manifests":[{"mediaType":"$OM","digest":"$D","size":null}]}`},
		{"a media type for the terminal", "$OM", `{"schemaVersion":2,"config":$C,"layers":[{"mediaType":"x\u001b[31m","digest":"$D","size":1}]}`},
		{"a platform for the terminal", "$OI", `{"schemaVersion":2,"manifests":[{"mediaType":"$OM","digest":"$D","size":0,"platform":{"os":"\u202exunil","architecture":"amd64"}}]}`},
		{"a million layers", "$OM", `{"schemaVersion":2,"config":$C,"layers":[` + strings.Repeat("{},", 1_000_000) + `{}]}`},
		{"a million keys", "$OM", `{"schemaVersion":2,"config":$C,"layers":[],"x":{` + strings.Repeat(`"":1,`, 500_000) + `"":1}}`},
		{"a long key", "$OM", `{"schemaVersion":2,"config":$C,"layers":[],"` + strings.Repeat("x", 100_000) + `":1}`},
		{"size a text", "$OM", `{"schemaVersion":2,"config":$C,"layers":[{"mediaType":"x","digest":"$D","size":"1"}]}`},
		{"size a fraction", "$OM", `{"schemaVersion":2,"config":$C,"layers":[{"mediaType":"x","digest":"$D","size":1.5}]}`},
		{"size too big", "$OM", `{"schemaVersion":2,"config":$C,"layers":[{"mediaType":"x","digest":"$D","size":9223372036854775808}]}`},
		{"size negative", "$OM", `{"schemaVersion":2,"config":$C,"layers":[{"mediaType":"x","digest":"$D","size":-1}]}`},
		// digests
		{"no digest", "$OM", `{"schemaVersion":2,"config":$C,"layers":[{"mediaType":"x","size":1}]}`},
		{"digest of a path", "$OM", `{"schemaVersion":2,"config":$C,"layers":[{"mediaType":"x","digest":"sha256:../../etc/passwd","size":1}]}`},
		{"digest in upper case", "$OM", `{"schemaVersion":2,"config":$C,"layers":[{"mediaType":"x","digest":"sha256:` + strings.Repeat("A", 64) + `","size":1}]}`},
		{"md5", "$OM", `{"schemaVersion":2,"config":{"mediaType":"x","digest":"md5:d41d8cd98f00b204e9800998ecf8427e","size":1},"layers":[]}`},
		{"digest with a newline", "$OI", `{"schemaVersion":2,"manifests":[{"mediaType":"$OM","digest":"$D\n","size":1}]}`},
		{"subject without a digest", "$OM", `{"schemaVersion":2,"config":$C,"layers":[],"subject":{}}`},
		{"no media type of a manifest", "$OI", `{"schemaVersion":2,"manifests":[{"digest":"$D","size":1}]}`},
	}
}

func malformedKinds() [][3]string {
	return [][3]string{
		// one thing and another (CVE-2021-41190)
		{"layers and manifests", "", `{"schemaVersion":2,"config":$C,"layers":[$L],"manifests":[$M]}`},
		{"layers and manifests, served as a manifest", "$OM", `{"schemaVersion":2,"config":$C,"layers":[$L],"manifests":[$M]}`},
		{"layers and manifests, served as an index", "$OI", `{"schemaVersion":2,"config":$C,"layers":[$L],"manifests":[$M]}`},
		{"config and manifests", "$OI", `{"schemaVersion":2,"config":$C,"manifests":[$M]}`},
		{"empty layers and manifests", "$OI", `{"schemaVersion":2,"layers":[],"manifests":[$M]}`},
		{"a manifest served as an index", "$OI", `{"schemaVersion":2,"config":$C,"layers":[$L]}`},
		{"an index served as a manifest", "$OM", `{"schemaVersion":2,"manifests":[$M]}`},
		{"says Docker, served as OCI", "$OM", `{"schemaVersion":2,"mediaType":"$DM","config":$C,"layers":[$L]}`},
		{"says index, served as manifest", "$OM", `{"schemaVersion":2,"mediaType":"$OI","config":$C,"layers":[$L]}`},
		{"says index, is a manifest", "", `{"schemaVersion":2,"mediaType":"$OI","config":$C,"layers":[$L]}`},
		{"says manifest, is an index", "", `{"schemaVersion":2,"mediaType":"$DM","manifests":[$M]}`},
		{"says something else", "", `{"schemaVersion":2,"mediaType":"text/html","config":$C,"layers":[$L]}`},
		// nothing
		{"empty object", "", `{}`},
		{"empty object served as a manifest", "$OM", `{}`},
		{"empty object served as an index", "$OI", `{}`},
		{"an error of a registry", "$OM", `{"errors":[{"code":"MANIFEST_UNKNOWN"}]}`},
		{"null config", "$OM", `{"schemaVersion":2,"config":null,"layers":[$L]}`},
		{"null manifests", "$OI", `{"schemaVersion":2,"manifests":null}`},
		{"layers without a config", "", `{"schemaVersion":2,"layers":[$L]}`},
		// schema 1
		{"schema 1", content.DockerSchema1Jws, `{"schemaVersion":1,"fsLayers":[],"history":[]}`},
		{"schema 1 unannounced", "", `{"schemaVersion":1,"name":"x","fsLayers":[{"blobSum":"$D"}]}`},
		{"fsLayers in schema 2", "$OM", `{"schemaVersion":2,"config":$C,"layers":[],"fsLayers":[]}`},
		// size
		{"more than 4 MiB", "$OM", `{"schemaVersion":2,"config":$C,"layers":[]}` + strings.Repeat(" ", content.MaxDocument)},
	}
}

func TestParseDocumentRefuses(t *testing.T) {
	if n := len(malformed()); n < 60 {
		t.Errorf("only %d documents", n)
	}
	for _, c := range malformed() {
		_, err := content.ParseDocument(expand(c[1]), []byte(expand(c[2])))
		if !errors.Is(err, content.ErrInvalid) {
			t.Errorf("%s: got error %v, want ErrInvalid", c[0], err)
		} else if len(err.Error()) > 500 || strings.Contains(err.Error(), "Go ") {
			t.Errorf("%s: not a text for users: %s", c[0], err)
		}
	}
}

func TestParseDocumentErrorsSay(t *testing.T) {
	for doc, want := range map[string]string{
		`{"schemaVersion":2,"config":$C,"layers":[{"mediaType":"x","digest":"$D","size":"1"}]}`: "layers.size: unexpected string",
		`[]`: "the document: unexpected array",
		`{"schemaVersion":2,"config":$C,"Layers":[]}`:                     `key "Layers" is "layers" in another case`,
		`{"schemaVersion":2,"config":$C,"layers":[],"a":1,"a":1}`:         `key "a" stands twice`,
		`{"schemaVersion":2,"config":$C,"layers":[`:                       "ends too early",
		`{"schemaVersion":1,"fsLayers":[]}`:                               "Docker schema 1",
		`{"schemaVersion":2,"mediaType":"$DM","config":$C,"layers":[$L]}`: "it was served as",
	} {
		_, err := content.ParseDocument(content.OCIManifest, []byte(expand(doc)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q in it", doc, err, want)
		}
	}
}

func TestChildrenAreTheCallers(t *testing.T) {
	src := new(content.Memory)
	index := contenttest.Index(t, src, content.OCIIndex, contenttest.Image(t, src, content.OCIManifest, 1))
	data, err := content.ReadAll(t.Context(), src, index)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := content.ParseDocument("", data)
	if err != nil {
		t.Fatal(err)
	}
	before := slices.Clone(doc.Manifests)
	doc.Children()[0].Size = 99
	if doc.Manifests[0].Size != before[0].Size {
		t.Error("a change of Children has changed the document")
	}
}

func FuzzParseDocument(f *testing.F) {
	for _, c := range malformed() {
		if len(c[2]) < 10_000 {
			f.Add(expand(c[1]), []byte(expand(c[2])))
		}
	}
	f.Fuzz(func(t *testing.T, mediaType string, data []byte) {
		doc, err := content.ParseDocument(mediaType, data)
		if err != nil {
			if !errors.Is(err, content.ErrInvalid) {
				t.Errorf("an error that is not ErrInvalid: %v", err)
			}
			return
		}
		if content.IsManifest(doc.MediaType) == (doc.Config == nil) || content.IsIndex(doc.MediaType) == (doc.Config != nil) {
			t.Errorf("%s with config %v", doc.MediaType, doc.Config)
		}
	})
}
