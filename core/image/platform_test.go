package image_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
)

func TestParsePlatform(t *testing.T) {
	for in, want := range map[string]string{
		"linux/amd64": "linux/amd64", "Linux/AMD64": "linux/amd64", "linux/x86_64": "linux/amd64", "linux/x86-64": "linux/amd64",
		"linux/amd64/v1": "linux/amd64", "linux/amd64/v3": "linux/amd64/v3",
		"linux/arm64": "linux/arm64", "linux/arm64/v8": "linux/arm64", "linux/arm64/8": "linux/arm64", "linux/aarch64": "linux/arm64", "linux/arm64/v9": "linux/arm64/v9",
		"linux/arm": "linux/arm/v7", "linux/arm/v7": "linux/arm/v7", "linux/arm/7": "linux/arm/v7", "linux/armhf": "linux/arm/v7", "linux/arm/v6": "linux/arm/v6", "linux/armel": "linux/arm/v6",
		"linux/i386": "linux/386", "linux/i686": "linux/386", "macos/arm64": "darwin/arm64", "linux/s390x": "linux/s390x", "wasip1/wasm": "wasip1/wasm",
		"windows(10.0.17763)/amd64": "windows(10.0.17763)/amd64",
	} {
		p, err := image.ParsePlatform(in)
		if err != nil || p.String() != want {
			t.Errorf("%s: got %s, %v; want %s", in, p, err, want)
			continue
		}
		if again, err := image.ParsePlatform(p.String()); err != nil || again != p {
			t.Errorf("%s: %s reads as %v, %v", in, p, again, err)
		}
	}
	for _, in := range []string{
		"", "linux", "amd64", "/", "linux/", "/amd64", "linux/amd64/", "linux/amd64/v1/x", "linux//v7", "linux/am d64", "linux/../etc", "linux/amd64\n",
		"windows(10.0/amd64", "windows()/amd64", "linux/ämd64", "\x1b[2J/amd64", strings.Repeat("/", 1000),
	} {
		if p, err := image.ParsePlatform(in); !errors.Is(err, content.ErrInvalid) {
			t.Errorf("%q: got %v, %v; want ErrInvalid", in, p, err)
		}
	}
}

func FuzzParsePlatform(f *testing.F) {
	f.Add("linux/arm64/v8")
	f.Add("windows(10.0.17763)/amd64")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := image.ParsePlatform(s)
		if err != nil {
			return
		}
		if again, err := image.ParsePlatform(p.String()); err != nil || again != p {
			t.Errorf("%q: %s reads as %v, %v", s, p, again, err)
		}
		if !p.Matches(p) {
			t.Errorf("%q does not match itself", s)
		}
	})
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		want, have string
		ok         bool
	}{
		{"linux/amd64", "linux/amd64", true}, {"linux/amd64", "linux/arm64", false}, {"linux/amd64", "windows/amd64", false},
		{"linux/amd64", "linux/amd64/v2", false}, {"linux/amd64/v3", "linux/amd64", true}, {"linux/amd64/v3", "linux/amd64/v2", true},
		{"linux/arm64", "linux/arm64/v8", true}, {"linux/arm64/v8", "linux/arm64", true}, {"linux/arm64/v9", "linux/arm64", true}, {"linux/arm64", "linux/arm64/v9", false},
		{"linux/arm", "linux/arm/v6", true}, {"linux/arm/v6", "linux/arm/v7", false}, {"linux/arm/v7", "linux/arm/v5", true}, {"linux/arm/v8", "linux/arm", true},
		{"linux/ppc64le/power9", "linux/ppc64le", false}, {"linux/ppc64le", "linux/ppc64le", true}, {"linux/386", "linux/amd64", false},
		{"windows/amd64", "windows(10.0.17763.1)/amd64", true}, {"windows(10.0.17763)/amd64", "windows(10.0.17763.1)/amd64", true},
		{"windows(10.0.1776)/amd64", "windows(10.0.17763.1)/amd64", false}, {"windows(10.0.17763)/amd64", "windows/amd64", false},
	} {
		want, err1 := image.ParsePlatform(c.want)
		have, err2 := image.ParsePlatform(c.have)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if got := want.Matches(have); got != c.ok {
			t.Errorf("%s for %s: %t", c.have, c.want, got)
		}
	}
}

// index makes an index of entries for platforms; "-" is an entry without one, "attestation" one of BuildKit's.
func index(platforms ...string) *content.Document {
	doc := &content.Document{MediaType: content.OCIIndex}
	for i, s := range platforms {
		desc := content.Descriptor{MediaType: content.OCIManifest, Digest: digest.FromString(s), Size: int64(i)}
		switch parts := strings.Split(s+"//", "/"); s {
		case "-":
		case "attestation":
			desc.Platform = &ocispec.Platform{OS: "unknown", Architecture: "unknown"}
			desc.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest"}
		default:
			desc.Platform = &ocispec.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]}
		}
		doc.Manifests = append(doc.Manifests, desc)
	}
	return doc
}

func TestSelect(t *testing.T) {
	for _, c := range []struct {
		index    string
		platform string
		want     int // entry, or -1 for ErrNotFound
		text     string
	}{
		{"linux/amd64 linux/arm64/v8", "linux/amd64", 0, ""},
		{"linux/amd64 linux/arm64/v8", "linux/arm64", 1, ""},
		{"linux/arm/v5 linux/arm/v6 linux/arm/v7", "linux/arm", 2, ""},
		{"linux/arm/v5 linux/arm/v6 linux/arm/v7", "linux/arm/v6", 1, ""},
		{"linux/arm/v5 linux/arm/v6", "linux/arm/v7", 1, ""},
		{"linux/arm", "linux/arm/v7", 0, ""},
		{"linux/amd64 linux/amd64/v3 linux/amd64/v2", "linux/amd64/v3", 1, ""},
		{"linux/amd64 linux/amd64/v2", "linux/amd64/v4", 1, ""},
		{"linux/amd64/v2 linux/amd64", "linux/amd64", 1, ""},
		{"linux/amd64 linux/amd64", "linux/amd64", 0, ""},
		{"Linux/x86_64", "linux/amd64", 0, ""},
		{"attestation linux/amd64 attestation", "linux/amd64", 1, ""},
		{"- linux/amd64", "linux/amd64", 1, ""},
		{"-", "linux/amd64", 0, ""},
		{"attestation -", "linux/amd64", 1, ""},
		{"- -", "linux/amd64", -1, "names no platforms"},
		{"", "linux/amd64", -1, "names no platforms"},
		{"attestation", "linux/amd64", -1, "names no platforms"},
		{"linux/amd64 attestation linux/arm/v6 linux/arm64/v8 linux/amd64", "linux/s390x", -1, "platform linux/s390x: not found: the index has linux/amd64, linux/arm/v6, linux/arm64"},
		{"linux/amd64/v2", "linux/amd64", -1, "linux/amd64/v2"},
		{"unknown/unknown linux/amd64", "unknown/unknown", -1, "has linux/amd64"},
	} {
		doc := index(strings.Fields(c.index)...)
		p, err := image.ParsePlatform(c.platform)
		if err != nil {
			t.Fatal(err)
		}
		desc, err := image.Select(doc, p)
		switch {
		case c.want >= 0 && (err != nil || desc.Size != int64(c.want)):
			t.Errorf("%s in [%s]: got entry %d, %v; want %d", c.platform, c.index, desc.Size, err, c.want)
		case c.want < 0 && (!errors.Is(err, content.ErrNotFound) || !strings.Contains(err.Error(), c.text)):
			t.Errorf("%s in [%s]: got %v; want ErrNotFound with %q", c.platform, c.index, err, c.text)
		}
	}
}
