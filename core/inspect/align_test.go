package inspect

import (
	"fmt"
	"slices"
	"testing"
)

// TestAlign lays lists of letters beside each other.
func TestAlign(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"", "", ""},
		{"ab", "ab", "=a=b"},
		{"", "ab", "+a+b"},
		{"ab", "", "-a-b"},
		{"abc", "abxc", "=a=b+x=c"},
		{"abc", "ac", "=a-b=c"},
		{"abcd", "axcyd", "=a-b+x=c+y=d"},
		{"ab", "ba", "-a=b+a"},
		{"aab", "ab", "=a-a=b"},
		{"xaby", "zabw", "-x+z=a=b-y+w"},
	} {
		old, new := []rune(c.old), []rune(c.new)
		got := ""
		for _, m := range align(old, new) {
			switch {
			case m.new < 0:
				got += "-" + string(old[m.old])
			case m.old < 0:
				got += "+" + string(new[m.new])
			default:
				got += "=" + string(new[m.new])
			}
		}
		if got != c.want {
			t.Errorf("%q and %q: got %s, want %s", c.old, c.new, got, c.want)
		}
	}
}

// TestAlignLong does not take all memory for lists that have nothing in common but their ends.
func TestAlignLong(t *testing.T) {
	var old, new []string
	for i := range 30_000 {
		old, new = append(old, fmt.Sprint("old", i)), append(new, fmt.Sprint("new", i))
	}
	old, new = slices.Concat([]string{"first"}, old, []string{"last"}), slices.Concat([]string{"first"}, new, []string{"last"})
	all := align(old, new)
	if len(all) != 60_002 || all[0] != (match{0, 0}) || all[1] != (match{1, -1}) || all[60_001] != (match{30_001, 30_001}) {
		t.Errorf("%d matches, %v, %v", len(all), all[:2], all[len(all)-1])
	}
}
