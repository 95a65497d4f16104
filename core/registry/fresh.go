package registry

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// IsNew asks whether the repository does not exist yet (NAME_UNKNOWN) or has no tag (distribution-spec, "Listing Tags"). Until a manifest is pushed to it,
// blobs are then sent without being asked for one by one; for an image of big blobs that is a request for each. It is for those who push under a tag: a
// repository where everything is named by digest may have no tag and all the blobs. Any other answer, and none, is false and changes nothing.
func (r *Repository) IsNew(ctx context.Context) bool {
	req, err := r.request("push", "", http.MethodGet, "tags/list", r.push())
	if err != nil {
		return false
	}
	req.url.RawQuery = "n=1"
	req.once = true // no answer is worth waiting for
	resp, err := r.client.send(ctx, req)
	var e *Error
	switch {
	case err == nil:
		defer discard(resp)
		if !listsNothing(resp.Body) {
			return false
		}
	case !errors.As(err, &e) || !e.is(http.StatusNotFound) || !e.Has("NAME_UNKNOWN"):
		return false
	}
	r.client.empty.add(r.Location())
	return r.isFresh()
}

// listsNothing reports whether a tag list has no tag; null stands for none in some registries.
func listsNothing(body io.Reader) bool {
	var list struct {
		Name string            `json:"name"`
		Tags []json.RawMessage `json:"tags"`
	}
	data, err := io.ReadAll(io.LimitReader(body, maxErrorBody))
	return err == nil && json.Unmarshal(data, &list) == nil && list.Name != "" && len(list.Tags) == 0
}

// isFresh reports whether there is nothing in the repository but what this client has sent.
func (r *Repository) isFresh() bool {
	return r.client.empty.has(r.Location()) && !r.client.shared.wrote.has(r.Location())
}
