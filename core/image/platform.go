package image

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgscript/imgscript/core/content"
)

// Platform is what an image runs on, in Go's names for systems and architectures (image-spec, config.md). Values made by this package
// are normalised; the zero value is no platform.
type Platform struct {
	OS, Architecture string
	Variant          string // of arm: "v5" to "v8"; of amd64: "v2" to "v4"; empty for the usual one
	OSVersion        string // of Windows: "10.0.17763.1879"
}

// platformPattern has the system, its version, the architecture and the variant.
var platformPattern = regexp.MustCompile(`^([a-z0-9][a-z0-9_.-]*)(?:\(([a-z0-9_.-]+)\))?/([a-z0-9][a-z0-9_.-]*)(?:/([a-z0-9][a-z0-9_.-]*))?$`)

// ParsePlatform reads OS/ARCHITECTURE[/VARIANT], such as "linux/arm64/v8"; a Windows version stands behind the system as containerd
// writes it, "windows(10.0.17763)/amd64". Other names of the same architecture are understood: x86_64 is amd64, aarch64 and arm64/v8 are arm64,
// arm is arm/v7, armhf too, and armel is arm/v6. What is not a platform is [content.ErrInvalid].
func ParsePlatform(s string) (Platform, error) {
	m := platformPattern.FindStringSubmatch(strings.ToLower(s))
	if m == nil {
		return Platform{}, fmt.Errorf("%w platform %q: want OS/ARCHITECTURE[/VARIANT], such as linux/amd64", content.ErrInvalid, s)
	}
	return Platform{OS: m[1], OSVersion: m[2], Architecture: m[3], Variant: m[4]}.normal(), nil
}

// normal gives a platform the one spelling by which platforms are compared; it is containerd's.
func (p Platform) normal() Platform {
	p.OS = strings.ToLower(p.OS)
	if p.OS == "macos" {
		p.OS = "darwin"
	}
	p.Variant = strings.ToLower(p.Variant)
	switch arch := strings.ToLower(p.Architecture); arch {
	case "x86_64", "x86-64":
		p.Architecture = "amd64"
	case "aarch64":
		p.Architecture = "arm64"
	case "i386", "i486", "i586", "i686", "x86":
		p.Architecture = "386"
	case "armhf":
		p.Architecture, p.Variant = "arm", "v7"
	case "armel":
		p.Architecture, p.Variant = "arm", "v6"
	default:
		p.Architecture = arch
	}
	if p.Variant != "" && p.Variant[0] >= '0' && p.Variant[0] <= '9' {
		p.Variant = "v" + p.Variant
	}
	switch p.Architecture + "/" + p.Variant {
	case "amd64/v1", "arm64/v8", "arm64/v8.0":
		p.Variant = ""
	case "arm/":
		p.Variant = "v7"
	}
	return p
}

// String returns the platform as ParsePlatform reads it and as Docker and containerd write it: linux/amd64, linux/arm64, linux/arm/v7.
func (p Platform) String() string {
	os, variant := p.OS, ""
	if p.OSVersion != "" {
		os += "(" + p.OSVersion + ")"
	}
	if p.Variant != "" {
		variant = "/" + p.Variant
	}
	return os + "/" + p.Architecture + variant
}

// Matches reports whether what is made for have runs on p: the same system and architecture, and a variant that p's includes (arm/v7 runs
// what is made for v6; amd64 does not run amd64/v3). A version of the system in p must be have's, or its beginning.
func (p Platform) Matches(have Platform) bool { return p.rank(have) > 0 }

// Names reports whether p is another way to write have: the same system, architecture and variant, and the version of the system or its beginning.
func (p Platform) Names(have Platform) bool { return p.rank(have) == sameVariant }

// sameVariant is the rank of what is made for just the variant that is wanted.
const sameVariant = 100

// rank orders what matches p: the higher, the better; 0 does not match.
func (p Platform) rank(have Platform) int {
	p, have = p.normal(), have.normal()
	if p.OS != have.OS || p.Architecture != have.Architecture {
		return 0
	}
	if p.OSVersion != "" && p.OSVersion != have.OSVersion && !strings.HasPrefix(have.OSVersion, p.OSVersion+".") {
		return 0
	}
	if p.Variant == have.Variant {
		return sameVariant
	}
	want, ok1 := level(p)
	got, ok2 := level(have)
	if !ok1 || !ok2 || got > want {
		return 0
	}
	return 1 + got
}

// level is the number of a variant, of which each includes the lower ones.
func level(p Platform) (int, bool) {
	if p.Variant == "" {
		switch p.Architecture {
		case "arm64":
			return 8, true
		case "amd64":
			return 1, true
		}
		return 0, false
	}
	number, _, _ := strings.Cut(strings.TrimPrefix(p.Variant, "v"), ".")
	n, err := strconv.Atoi(number)
	return n, err == nil && n >= 0 && n < 90
}

// platformOf reads the platform of an index's entry; false when it has none.
func platformOf(p *ocispec.Platform) (Platform, bool) {
	if p == nil || p.OS == "" && p.Architecture == "" {
		return Platform{}, false
	}
	return Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, OSVersion: p.OSVersion}.normal(), true
}

// Select returns the entry of an index that suits p best: the same variant, else the highest one that p includes, the first of equals.
// An index of one image without a platform is that image. When none fits, the error is [content.ErrNotFound] and lists the platforms there
// are. BuildKit's attestations, entries for the platform unknown/unknown, are passed over.
func Select(index *content.Document, p Platform) (content.Descriptor, error) {
	images := slices.DeleteFunc(slices.Clone(index.Manifests), isAttestation)
	best, bestRank, names := -1, 0, []string{}
	for i, desc := range images {
		have, ok := platformOf(desc.Platform)
		if !ok {
			continue
		}
		if name := have.String(); !slices.Contains(names, name) {
			names = append(names, name)
		}
		if rank := p.rank(have); rank > bestRank {
			best, bestRank = i, rank
		}
	}
	switch {
	case best >= 0:
		return images[best], nil
	case len(images) == 1 && len(names) == 0:
		return images[0], nil
	case len(names) == 0:
		return content.Descriptor{}, fmt.Errorf("platform %s: %w: the index names no platforms", p, content.ErrNotFound)
	default:
		return content.Descriptor{}, fmt.Errorf("platform %s: %w: the index has %s", p, content.ErrNotFound, strings.Join(names, ", "))
	}
}

// isAttestation tells what BuildKit puts beside images: provenance and SBOMs, which run on nothing.
func isAttestation(desc content.Descriptor) bool {
	return desc.Annotations["vnd.docker.reference.type"] != "" ||
		desc.Platform != nil && desc.Platform.OS == "unknown" && desc.Platform.Architecture == "unknown"
}
