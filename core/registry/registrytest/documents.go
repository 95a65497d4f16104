package registrytest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/imgscript/imgscript/core/content"
)

// answersDocument refuses manifests that a registry with these quirks does not take. It returns false where the registry is to judge.
func (q *Quirks) answersDocument(s *Server, w *answer, r *http.Request, entry *record) bool {
	if r.Method != http.MethodPut || entry.Class != ClassManifest {
		return false
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return true // nobody is there to be answered
	}
	r.Body = io.NopCloser(bytes.NewReader(data))
	if problem := q.problem(s, entry.Repository, data); problem != "" {
		refuse(w, http.StatusBadRequest, "MANIFEST_INVALID", problem)
		return true
	}
	return false
}

// problem says what is wrong with a manifest, "" for nothing.
func (q *Quirks) problem(s *Server, repository string, data []byte) string {
	var doc struct {
		MediaType    string               `json:"mediaType"`
		ArtifactType string               `json:"artifactType"`
		Config       *content.Descriptor  `json:"config"`
		Layers       []content.Descriptor `json:"layers"`
		Manifests    []content.Descriptor `json:"manifests"`
	}
	if json.Unmarshal(data, &doc) != nil {
		return "" // the registry says so itself
	}
	switch {
	case q.NeedMediaType && doc.MediaType == "":
		return "Invalid JSON syntax"
	case q.KnownArtifacts && (doc.ArtifactType != "" || doc.Config != nil && doc.Config.MediaType != content.OCIConfig && doc.Config.MediaType != content.DockerConfig):
		return "manifest invalid: unknown artifact type"
	case q.CheckHistory && doc.Config != nil && !s.historyFits(repository, *doc.Config, len(doc.Layers)):
		return "history of the config does not match the layers"
	}
	for _, child := range doc.Manifests {
		if q.StrictIndex && doc.MediaType == content.OCIIndex && strings.HasPrefix(child.MediaType, "application/vnd.docker.") {
			return "manifest invalid: an index of other manifests than OCI's"
		}
	}
	return ""
}

// historyFits reports whether the history of a config, if there is one, speaks of as many layers as there are.
func (s *Server) historyFits(repository string, config content.Descriptor, layers int) bool {
	data, _ := s.Blob(repository, config.Digest)
	var doc struct {
		History []struct {
			Empty bool `json:"empty_layer"`
		} `json:"history"`
	}
	if json.Unmarshal(data, &doc) != nil || len(doc.History) == 0 {
		return true
	}
	for _, entry := range doc.History {
		if !entry.Empty {
			layers--
		}
	}
	return layers == 0
}
