package image

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// entryOf is one entry of an index, with a field that nobody knows.
func entryOf(name, platform, annotations string) string {
	return fmt.Sprintf(`{ "mediaType":%q, "digest":%q,"size":7,"x-own":[1, 2],"platform":%s,"annotations":{%s}}`,
		content.OCIManifest, digest.FromString(name), platform, annotations)
}

// TestSubset keeps the entries of some platforms, what attests to them, and all other bytes.
func TestSubset(t *testing.T) {
	const arm = `{"architecture":"arm","os":"linux","variant":%q}`
	about := func(name string) string {
		return fmt.Sprintf(`"vnd.docker.reference.type":"attestation-manifest","vnd.docker.reference.digest":%q`, digest.FromString(name))
	}
	entries := map[string]string{
		"amd64":        entryOf("amd64", `{"architecture":"amd64","os":"linux"}`, ""),
		"amd64 zstd":   entryOf("amd64 zstd", `{"architecture":"amd64","os":"linux"}`, `"zstd":"<true>"`),
		"armv6":        entryOf("armv6", fmt.Sprintf(arm, "v6"), ""),
		"armv7":        entryOf("armv7", fmt.Sprintf(arm, "v7"), ""),
		"windows 2019": entryOf("windows 2019", `{"architecture":"amd64","os":"windows","os.version":"10.0.17763.1"}`, ""),
		"windows 2022": entryOf("windows 2022", `{"architecture":"amd64","os":"windows","os.version":"10.0.20348.1"}`, ""),
		"amd64 proof":  entryOf("amd64 proof", `{"architecture":"unknown","os":"unknown"}`, about("amd64")),
		"armv7 proof":  entryOf("armv7 proof", `{"architecture":"unknown","os":"unknown"}`, about("armv7")),
		"lost proof":   entryOf("lost proof", `{"architecture":"unknown","os":"unknown"}`, about("nothing")),
	}
	const all = "amd64,amd64 proof,armv6,armv7,armv7 proof,amd64 zstd,windows 2019,windows 2022,lost proof"
	index := func(names string) string {
		var list []string
		for name := range strings.SplitSeq(names, ",") {
			list = append(list, entries[name])
		}
		return `{"schemaVersion":2,"x-own":{"b": 1, "a":"<&>"},"mediaType":"` + content.OCIIndex + `","manifests":[` + strings.Join(list, ",") + `],"annotations":{"k":"v"}}`
	}
	for _, c := range []struct{ platforms, want string }{
		{"linux/arm/v7", "armv7,armv7 proof"},
		{"linux/arm/v6 linux/amd64", "amd64,amd64 proof,armv6,amd64 zstd"},
		{"linux/arm/v8", "armv7,armv7 proof"},
		{"windows/amd64", "windows 2019,windows 2022"},
		{"windows(10.0.20348)/amd64 linux/amd64 linux/amd64", "amd64,amd64 proof,amd64 zstd,windows 2022"},
		{"linux/amd64 linux/s390x", "error: platform linux/s390x: not found: the index has linux/amd64, linux/arm/v6, linux/arm/v7, windows(10.0.17763.1)/amd64"},
	} {
		var platforms []Platform
		for word := range strings.FieldsSeq(c.platforms) {
			p, err := ParsePlatform(word)
			if err != nil {
				t.Fatal(err)
			}
			platforms = append(platforms, p)
		}
		got, err := Subset(content.OCIIndex, []byte(index(all)), platforms)
		if text, ok := strings.CutPrefix(c.want, "error: "); ok {
			if !errors.Is(err, content.ErrNotFound) || !strings.HasPrefix(err.Error(), text) {
				t.Errorf("%s: got %v, want %s", c.platforms, err, text)
			}
			continue
		}
		if err != nil || string(got) != index(c.want) {
			t.Errorf("%s: %v\n got %s\nwant %s", c.platforms, err, got, index(c.want))
		}
	}
}

// TestSubsetOfAll keeps the text, white space and all, when nothing is left out.
func TestSubsetOfAll(t *testing.T) {
	text := "{ \"schemaVersion\" : 2,\n\"mediaType\":\"" + content.OCIIndex + "\",\n \"manifests\": [ " + entryOf("amd64", `{"architecture":"amd64","os":"linux"}`, "") + " ] }\n"
	got, err := Subset(content.OCIIndex, []byte(text), []Platform{{OS: "linux", Architecture: "amd64"}})
	if err != nil || string(got) != text {
		t.Errorf("%v\n got %s\nwant %s", err, got, text)
	}
}
