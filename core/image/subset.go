package image

import (
	"encoding/json"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// attested is the annotation in which BuildKit says what image an attestation of an index is about.
const attested = "vnd.docker.reference.digest"

// Subset returns the text of an index that holds only what the platforms need of the index that data is: for each platform the entries that suit it best,
// all of equals (one image compressed in two ways, a system in several versions), and the attestations of what is kept. Entries stay in order, and
// they and everything else keep their bytes; when nothing is left out, the text is data. A platform that is not there is [content.ErrNotFound],
// and the error lists those that are.
func Subset(mediaType string, data []byte, platforms []Platform) ([]byte, error) {
	doc, err := content.ParseDocument(mediaType, data)
	if err != nil {
		return nil, err
	}
	kept := map[digest.Digest]bool{}
	for _, p := range platforms {
		best, err := Select(doc, p)
		if err != nil {
			return nil, err
		}
		kept[best.Digest] = true
		for _, desc := range doc.Manifests {
			if sameRank(p, best, desc) {
				kept[desc.Digest] = true
			}
		}
	}
	keep := func(desc content.Descriptor) bool {
		return kept[desc.Digest] || isAttestation(desc) && kept[digest.Digest(desc.Annotations[attested])]
	}
	return filterIndex(data, doc, keep)
}

// sameRank reports whether an entry suits a platform as well as another does.
func sameRank(p Platform, a, b content.Descriptor) bool {
	have, ok := platformOf(a.Platform)
	other, too := platformOf(b.Platform)
	return ok && too && !isAttestation(b) && p.rank(have) == p.rank(other)
}

// filterIndex leaves out the entries that are not to be kept.
func filterIndex(data []byte, doc *content.Document, keep func(content.Descriptor) bool) ([]byte, error) {
	text, err := parseObject(data)
	if err != nil {
		return nil, err
	}
	entries, err := parseArray(text.get("manifests"))
	if err != nil {
		return nil, err
	}
	var left []json.RawMessage
	for i, desc := range doc.Manifests {
		if keep(desc) {
			left = append(left, entries[i])
		}
	}
	if len(left) == len(entries) {
		return data, nil
	}
	text.set("manifests", joinArray(left))
	return text.bytes(), nil
}
