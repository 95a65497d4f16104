package registry

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// quotaOf says how much a registry still allows, where it tells (Docker Hub: "RateLimit-Limit: 100;w=21600" and "RateLimit-Remaining: 0;w=21600", the window
// in seconds); "" where it doesn't, or not so.
func quotaOf(h http.Header) string {
	limit, window, ok := parseLimit(h.Get("RateLimit-Limit"))
	left, _, known := parseLimit(h.Get("RateLimit-Remaining"))
	if !ok || !known {
		return ""
	}
	text := fmt.Sprintf("%d of %d requests are left", left, limit)
	if window > 0 {
		text = fmt.Sprintf("%d of %d requests in %s are left", left, limit, window)
	}
	return text
}

func parseLimit(header string) (n int64, window time.Duration, ok bool) {
	number, params, _ := strings.Cut(header, ";")
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if seconds, found := strings.CutPrefix(strings.TrimSpace(params), "w="); found {
		w, _ := strconv.ParseInt(seconds, 10, 32) // what is no number is not said
		window = time.Duration(max(w, 0)) * time.Second
	}
	return n, window, err == nil && n >= 0
}
