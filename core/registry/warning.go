package registry

import (
	"net/http"
	"strings"
	"sync"

	"github.com/imgscript/imgscript/core/auth"
)

// maxWarnings is the number of different warnings that a client passes on.
const maxWarnings = 100

// warnings passes on what registries want users to know, each text once.
type warnings struct {
	tell func(string)

	mu   sync.Mutex
	seen map[string]bool
}

// read takes the warnings from an answer. Only those with code 299 and no date are meant for users (distribution-spec, "Warnings").
func (w *warnings) read(resp *http.Response) {
	for _, value := range resp.Header.Values("Warning") {
		rest, ok := strings.CutPrefix(value, `299 - "`)
		text, whole := strings.CutSuffix(rest, `"`)
		if !ok || !whole || text == "" {
			continue
		}
		if text = printable(cut(auth.Scrub(text, secretsOf(resp.Request.Header)...))); w.isNew(text) {
			w.tell(text)
		}
	}
}

func (w *warnings) isNew(text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen[text] || len(w.seen) >= maxWarnings {
		return false
	}
	w.seen[text] = true
	return true
}
