package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
)

// eventSchema is what docs/progress.md says of the lines of --progress json.
type eventSchema struct {
	names   map[string]map[string]string // of each event, with their types
	results map[string][]string          // of each kind of task
	example string
}

var (
	eventRow   = regexp.MustCompile("(?m)^\\| `(\\w+)` \\| [^|]+ \\|$")
	nameRow    = regexp.MustCompile("(?m)^\\| `(\\w+)` \\| ([^|]+) \\| ([a-z ]+) \\| [^|]+ \\|$")
	taskRow    = regexp.MustCompile("(?m)^\\| `(\\w+)` \\| [^|]+ \\| ([^|]+) \\|$")
	quotedWord = regexp.MustCompile("`(\\w+)`")
	exampleOf  = regexp.MustCompile("(?s)\n```text\n({.*?\n)```\n")
)

func readEventSchema(ts *testscript.TestScript) *eventSchema {
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "progress.md"))
	ts.Check(err)
	_, text, _ := strings.Cut(string(data), "\n## For programs\n")
	_, events, _ := strings.Cut(text, "\n### Events\n")
	events, rest, _ := strings.Cut(events, "\n### Names\n")
	names, rest, _ := strings.Cut(rest, "\n### Tasks\n")
	tasks, _, found := strings.Cut(rest, "\n## In Go\n")
	example := exampleOf.FindStringSubmatch(text)
	if !found || example == nil {
		ts.Fatalf("docs/progress.md has other headings, or no example")
	}
	s := &eventSchema{map[string]map[string]string{}, map[string][]string{}, example[1]}
	for _, m := range eventRow.FindAllStringSubmatch(events, -1) {
		s.names[m[1]] = map[string]string{}
	}
	for _, m := range nameRow.FindAllStringSubmatch(names, -1) {
		in := words(m[2])
		if m[2] == "all" {
			in = slices.Collect(maps.Keys(s.names))
		}
		for _, event := range in {
			s.names[event][m[1]] = m[3]
		}
	}
	for _, m := range taskRow.FindAllStringSubmatch(tasks, -1) {
		s.results[m[1]] = words(m[2])
	}
	return s
}

func words(text string) []string {
	var list []string
	for _, m := range quotedWord.FindAllStringSubmatch(text, -1) {
		list = append(list, m[1])
	}
	return list
}

// eventLog checks the lines of one command.
type eventLog struct {
	schema *eventSchema
	open   map[float64]string // tasks that did not end: what they do
	seen   map[float64]bool
}

// line checks one line. failed says that it is the error.
func (l *eventLog) line(text string) (failed bool, err error) {
	var object map[string]any
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		return false, err
	}
	event, ok := object["event"].(string)
	if !ok {
		if object["kind"] == nil || object["exit_code"] == nil {
			return false, fmt.Errorf("it is neither an event nor an error")
		}
		return true, nil
	}
	want := l.schema.names[event]
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(object))); diff != "" {
		return false, fmt.Errorf("names of %q (-documented +got):\n%s", event, diff)
	}
	for name, kind := range want {
		if !hasType(object[name], kind) {
			return false, fmt.Errorf("%s is not %s", name, kind)
		}
	}
	if at, err := time.Parse("2006-01-02T15:04:05.000Z", object["time"].(string)); err != nil || time.Since(at) > time.Hour {
		return false, fmt.Errorf("time: %v", err)
	}
	return false, l.task(event, object)
}

func hasType(value any, kind string) bool {
	number, isNumber := value.(float64)
	_, isString := value.(string)
	switch kind {
	case "string":
		return isString
	case "number":
		return isNumber && number >= 0
	case "integer":
		return isNumber && number >= 0 && number == math.Trunc(number)
	case "integer or null":
		return value == nil || isNumber && number >= 0 && number == math.Trunc(number)
	}
	return false
}

// task checks the order of the events of a task, and its result.
func (l *eventLog) task(event string, object map[string]any) error {
	number, ok := object["task"].(float64)
	if !ok || number == 0 {
		return nil
	}
	what := object["what"].(string)
	switch {
	case l.schema.results[what] == nil:
		return fmt.Errorf("no task does %q", what)
	case event == "start" && l.seen[number]:
		return fmt.Errorf("task %v starts twice", number)
	case event == "start":
		l.seen[number], l.open[number] = true, what
		return nil
	case l.open[number] != what:
		return fmt.Errorf("task %v is not under way, or not this one", number)
	case event != "end":
		return nil
	}
	delete(l.open, number)
	result, failure := object["result"].(string), object["error"].(string)
	if good := slices.Contains(l.schema.results[what], result); !good && result != "failed" && result != "stopped" || good && object["digest"] == "" || (result == "failed") != (failure != "") {
		return fmt.Errorf("task %v ends so", number)
	}
	return nil
}

// events [-example]: wants that each line which the last command wrote to stderr is as docs/progress.md describes them, that every task ended, and that an error is the last line.
// With -example, the lines are those of the example there, but for what is different in each run. It writes the lines to stdout, without what is.
func cmdEvents(ts *testscript.TestScript, neg bool, args []string) {
	isExample := len(args) == 1 && args[0] == "-example"
	if neg || len(args) > 0 && !isExample {
		ts.Fatalf("usage: events [-example]")
	}
	got := ts.ReadFile("stderr")
	schema := readEventSchema(ts)
	log := &eventLog{schema, map[float64]string{}, map[float64]bool{}}
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	for i, line := range lines {
		failed, err := log.line(line)
		if err != nil {
			ts.Fatalf("%v:\n%s", err, line)
		}
		if failed && i < len(lines)-1 {
			ts.Fatalf("something comes after the error:\n%s", got)
		}
	}
	if len(log.open) > 0 {
		ts.Fatalf("tasks did not end: %v\n%s", log.open, got)
	}
	if diff := cmp.Diff(constant(schema.example), constant(got)); isExample && diff != "" {
		ts.Fatalf("the example in docs/progress.md is not what is written (-documented +got):\n%s", diff)
	}
	fmt.Fprint(ts.Stdout(), constant(got))
}

// constant takes from lines of events what is different in each run.
func constant(lines string) string {
	for _, r := range [][2]string{
		{`"time":"[^"]*"`, `"time":"TIME"`}, {`sha256:[0-9a-f]{64}`, "DIGEST"}, {`127\.0\.0\.1:[0-9]+`, "reg.example.com"},
		{`"(bytes|total|seconds|delay)":[0-9.]+`, `"$1":N`}, {`[0-9.]+ ?(s|B|kB)\b`, "N $1"},
	} {
		lines = regexp.MustCompile(r[0]).ReplaceAllString(lines, r[1])
	}
	return lines
}
