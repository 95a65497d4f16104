package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/imgscript/imgscript/core/content"
)

const (
	pageSize = 1000     // tags asked for at once; ECR refuses more
	maxPages = 1000     // pages of one list
	maxPage  = 4 << 20  // bytes of one page
	maxList  = 64 << 20 // bytes of all pages of a list, which is held in memory
)

// Tags returns all tags of the repository, sorted, each once. What is no tag by the grammar is left out: no request could name it, and it could be anything.
// A repository that does not exist is [content.ErrNotFound].
func (r *Repository) Tags(ctx context.Context) ([]string, error) {
	req, err := r.request("list tags of", "", http.MethodGet, "tags/list", r.pull())
	if err != nil {
		return nil, err
	}
	req.url.RawQuery = fmt.Sprintf("n=%d", pageSize)
	tags := []string{}
	err = r.pages(ctx, req, func(page []byte) error {
		var list struct {
			Tags []*string `json:"tags"` // Nexus is known to have null among them
		}
		if err := content.CheckJSON(page); err != nil {
			return fmt.Errorf("tag list: %w", err)
		}
		if json.Unmarshal(page, &list) != nil {
			return fmt.Errorf("%w tag list: it is no object with a list of texts", content.ErrInvalid)
		}
		for _, tag := range list.Tags {
			if tag != nil && ValidTag(*tag) == nil {
				tags = append(tags, *tag)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(tags)
	return slices.Compact(tags), nil
}

// pages reads a list of which each answer names the next in a Link header (distribution-spec, "Listing Tags"). Only the same origin is
// asked, no page twice, and not without end: a hostile list could otherwise lead anywhere or for ever.
func (r *Repository) pages(ctx context.Context, req *request, read func(page []byte) error) error {
	seen := map[string]bool{}
	size := 0
	for range maxPages {
		resp, data, err := r.page(ctx, req)
		if err != nil {
			return err
		}
		if size += len(data); size > maxList {
			return req.failed(fmt.Errorf("%w list: more than %d MiB", content.ErrInvalid, maxList>>20))
		}
		if err := read(data); err != nil {
			return req.failed(err)
		}
		next, err := nextPage(resp)
		if err != nil {
			return req.failed(err)
		}
		if next == nil {
			return nil
		}
		if seen[next.String()] {
			return req.failed(fmt.Errorf("%w list: its pages go round in a circle", content.ErrInvalid))
		}
		seen[next.String()] = true
		req = req.with(next)
	}
	return req.failed(fmt.Errorf("%w list: more than %d pages", content.ErrInvalid, maxPages))
}

// page reads one answer whole.
func (r *Repository) page(ctx context.Context, req *request) (*http.Response, []byte, error) {
	req = req.with(req.url)
	req.once = true
	var resp *http.Response
	var data []byte
	err := r.again(ctx, func(int) (bool, error) {
		var err error
		if resp, err = r.client.send(ctx, req); err != nil {
			return false, err
		}
		defer resp.Body.Close()
		if data, err = io.ReadAll(io.LimitReader(resp.Body, maxPage+1)); err != nil {
			return false, req.failed(err)
		}
		if len(data) > maxPage {
			return true, req.failed(fmt.Errorf("%w list: a page of more than %d bytes", content.ErrInvalid, maxPage))
		}
		return false, nil
	})
	return resp, data, err
}

// nextPage returns the URL of the page after the one in resp, or nil.
func nextPage(resp *http.Response) (*url.URL, error) {
	for _, header := range resp.Header.Values("Link") {
		ref, ok := parseNextLink(header)
		if !ok {
			continue
		}
		next, err := followAnswer(resp, ref, "next page")
		if err == nil && !sameOrigin(next, resp.Request.URL) {
			err = &egressError{"next page", redact(next), "it is on another host"}
		}
		return next, err
	}
	return nil, nil
}

// parseNextLink finds the target of the relation "next" in a Link header (RFC 8288). It is lenient: registries leave out the quotes, the
// space, or write several links into one header.
func parseNextLink(header string) (string, bool) {
	for {
		_, rest, ok := strings.Cut(header, "<")
		if !ok {
			return "", false
		}
		target, params, ok := strings.Cut(rest, ">")
		if !ok {
			return "", false
		}
		header = params
		if i := strings.Index(params, ",<"); i >= 0 {
			params = params[:i]
		} else if i := strings.Index(params, ", <"); i >= 0 {
			params = params[:i]
		}
		for param := range strings.SplitSeq(params, ";") {
			key, value, _ := strings.Cut(param, "=")
			if strings.EqualFold(strings.TrimSpace(key), "rel") && strings.EqualFold(strings.Trim(strings.TrimSpace(value), `"`), "next") {
				return strings.TrimSpace(target), target != ""
			}
		}
	}
}
