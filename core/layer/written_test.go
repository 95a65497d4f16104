package layer

import (
	"errors"
	"testing"
)

// TestErrorText: paths stand as the call wrote them, and in quotes only where they could be taken for something else.
func TestErrorText(t *testing.T) {
	bad := errors.New("bad")
	for _, tt := range []struct {
		err  Error
		want string
	}{
		{Error{Source: "./dist", Path: "./dist", Err: bad}, "./dist: bad"},
		{Error{Source: "./dist/", Path: "./dist/a/b", Err: bad}, "./dist/a/b: bad"},
		{Error{Source: "./dist", Path: "/app", Err: bad}, "./dist: /app: bad"},
		{Error{Source: "custom_file", Path: "/app", Err: bad}, "custom_file: /app: bad"},
		{Error{Path: "dist", Err: bad}, "dist: bad"},
		{Error{Source: "a b", Path: "a b", Err: bad}, `"a b": bad`},
		{Error{Source: "a: b", Path: "a: b", Err: bad}, `"a: b": bad`},
		{Error{Source: "ä", Path: "ä/\x1b[31m", Err: bad}, `"ä/\x1b[31m": bad`},
		{Error{Source: "ä", Path: "ä", Err: bad}, "ä: bad"},
		{Error{Source: "", Path: "", Err: bad}, `"": bad`},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
	for _, tt := range [][3]string{{"./", "a/b", "./a/b"}, {"dist", "", "dist"}, {"//x", "y", "//x/y"}, {".", "y", "./y"}} {
		if got := written(tt[0], tt[1]); got != tt[2] {
			t.Errorf("%q in %q: got %q, want %q", tt[1], tt[0], got, tt[2])
		}
	}
}
