package progress

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// screen is as much of a terminal as the display uses: text, newlines, returns, and the sequences that move the cursor up and that erase. Made narrower or wider, it
// wraps its lines anew, as most do.
type screen struct {
	t     *testing.T
	width int
	lines [][]rune // without the breaks that come of the width
	line  int      // of the cursor
	col   int      // of the cursor, from the start of its line on
	wrote int      // calls of Write
}

var sequence = regexp.MustCompile(`^\x1b\[([0-9]*)([A-Z])`)

// Write implements io.Writer.
func (s *screen) Write(p []byte) (int, error) {
	s.wrote++
	if s.lines == nil {
		s.lines = [][]rune{nil}
	}
	for text := string(p); text != ""; {
		if m := sequence.FindStringSubmatch(text); m != nil {
			n, _ := strconv.Atoi(m[1])
			s.control(m[2], max(n, 1))
			text = text[len(m[0]):]
			continue
		}
		r := []rune(text)[0]
		s.put(r)
		text = text[len(string(r)):]
	}
	return len(p), nil
}

func (s *screen) put(r rune) {
	row := s.lines[s.line]
	switch {
	case r == '\r':
		s.col -= s.col % s.width
	case r == '\n' && len(row) > (s.col/s.width+1)*s.width:
		s.col = (s.col/s.width + 1) * s.width
	case r == '\n':
		if s.line, s.col = s.line+1, 0; s.line == len(s.lines) {
			s.lines = append(s.lines, nil)
		}
	case r < ' ':
		s.t.Errorf("the terminal is sent %q", r)
	default:
		for len(row) <= s.col {
			row = append(row, ' ')
		}
		row[s.col] = r
		s.lines[s.line] = row
		s.col++
	}
}

func (s *screen) control(what string, n int) {
	switch what {
	case "A":
		for ; n > 0 && (s.line > 0 || s.col >= s.width); n-- {
			if s.col >= s.width {
				s.col -= s.width
				continue
			}
			s.line--
			s.col = max(len(s.lines[s.line])-1, 0) / s.width * s.width
		}
	case "J":
		s.lines = s.lines[:s.line+1]
		s.lines[s.line] = s.lines[s.line][:min(s.col, len(s.lines[s.line]))]
	case "K":
		s.lines[s.line] = s.lines[s.line][:min(s.col, len(s.lines[s.line]))]
	default:
		s.t.Errorf("the terminal is sent the sequence %q", what)
	}
}

// text is what it shows, without the empty line of the cursor.
func (s *screen) text() []string {
	var list []string
	for _, line := range s.lines {
		list = append(list, strings.TrimRight(string(line), " "))
	}
	if n := len(list); n > 0 && list[n-1] == "" {
		list = list[:n-1]
	}
	return list
}

// TestConsole: frames replace each other whatever their size, what is printed stays above them, and a terminal that is made narrower or wider keeps nothing of an old frame.
func TestConsole(t *testing.T) {
	s := &screen{t: t, width: 30}
	c := &console{out: s, size: func() int { return s.width }}
	printed := []string{}
	for i, step := range []struct {
		print string
		frame []string
		width int
	}{
		{"", []string{"one 1", "two 1", "sum 1"}, 30},
		{"", []string{"one 2", "sum 2 which is longer"}, 30},
		{"hello", []string{"one 3", "two 3", "three 3", "sum 3"}, 30},
		{"a line that is so long that it is wrapped once and once more", []string{"1", "2"}, 30},
		{"of just the width's columns 30", []string{"1", "2"}, 30},
		{"", []string{"twenty-nine columns wide, one", "twenty-nine columns wide, two", "3"}, 30},
		{"", []string{"narrow 1", "narrow 2"}, 10},
		{"printed while narrow", []string{"narrow 3"}, 10},
		{"", []string{"wide again"}, 40},
		{"", nil, 40},
		{"late", nil, 40},
	} {
		s.width = step.width
		if step.print != "" {
			printed = append(printed, step.print)
			fmt.Fprintln(c, step.print)
		}
		for _, row := range step.frame {
			io.Copy(c, strings.NewReader(row+"\n"))
		}
		if err := c.Flush(len(step.frame)); err != nil {
			t.Fatal(err)
		}
		if want, got := slices.Concat(printed, step.frame), s.text(); !slices.Equal(want, got) {
			t.Fatalf("step %d: the screen shows %q, want %q", i, got, want)
		}
	}
}

// TestConsoleWritesWhatIsNew: a frame like the last one is not written.
func TestConsoleWritesWhatIsNew(t *testing.T) {
	s := &screen{t: t, width: 30}
	c := &console{out: s, size: func() int { return s.width }}
	for range 5 {
		c.WriteString("same\n")
		if err := c.Flush(1); err != nil {
			t.Fatal(err)
		}
	}
	if s.wrote != 1 {
		t.Errorf("it was written to %d times", s.wrote)
	}
}

// TestCtrlCOnScreen: what a terminal shows of the key that was pressed does not stay.
func TestCtrlCOnScreen(t *testing.T) {
	s := &screen{t: t, width: 30}
	c := &console{out: s, size: func() int { return s.width }}
	c.WriteString("row\nsum\n")
	c.Flush(2)
	io.WriteString(s, "^C")
	c.WriteString("interrupted\nsum\n")
	c.Flush(1)
	if got, want := s.text(), []string{"interrupted", "sum"}; !slices.Equal(got, want) {
		t.Errorf("the screen shows %q, want %q", got, want)
	}
}
