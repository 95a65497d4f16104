package progress

import (
	"encoding/json"
	"io"
	"math"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/build"
)

// jsonEvery bounds how often the json display tells that a task moved.
const jsonEvery = 250 * time.Millisecond

// jsonLines writes an object a line for each event. docs/progress.md is about them: none of the names in them is renamed or removed.
type jsonLines struct {
	mu      sync.Mutex
	w       io.Writer
	numbers int
	tasks   map[int]*jsonTask // that did not end, by the number that their run gives them
}

// jsonTask is one task under way. Its number is its own, also where one command has several runs.
type jsonTask struct {
	number      int
	start, told time.Time
}

func newJSON(w io.Writer) *jsonLines { return &jsonLines{w: w, tasks: map[int]*jsonTask{}} }

// jsonHead is in front of every object.
type jsonHead struct {
	Time  string `json:"time"` // RFC 3339 with milliseconds, UTC
	Event string `json:"event"`
}

// jsonAbout says which task an object is about.
type jsonAbout struct {
	Task    int        `json:"task"`
	What    build.Work `json:"what"`
	Subject string     `json:"subject"`
	Where   string     `json:"where"`
}

type jsonStart struct {
	jsonHead
	jsonAbout
	Total *int64 `json:"total"` // null when it is not known
}

type jsonProgress struct {
	jsonStart
	Bytes int64 `json:"bytes"`
}

type jsonWaiting struct {
	jsonHead
	jsonAbout
	Host   string  `json:"host"`
	Reason string  `json:"reason"`
	Delay  float64 `json:"delay"` // seconds
	Tries  int     `json:"tries"`
}

type jsonEnd struct {
	jsonProgress
	Seconds float64       `json:"seconds"`
	Result  string        `json:"result"`
	Digest  digest.Digest `json:"digest"`
	Error   string        `json:"error"`
}

// jsonText is a print or a warning, with its place in the script.
type jsonText struct {
	jsonHead
	At   string `json:"at"`
	Text string `json:"text"`
}

// Event implements Display.
func (j *jsonLines) Event(e build.Event) {
	if e.Kind == build.Warning {
		at := ""
		if e.At != nil {
			at = e.At.String()
		}
		j.write(jsonText{head(e.Time, "warning"), at, e.Text})
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if e.Kind == build.TaskStart {
		j.numbers++
		j.tasks[e.Task] = &jsonTask{number: j.numbers, start: e.Time, told: e.Time}
	}
	t := j.tasks[e.Task]
	switch {
	case t == nil && e.Kind != build.Waiting:
	case t == nil:
		j.writeLocked(waitingObject(e, &jsonTask{}))
	case e.Kind == build.TaskStart:
		j.writeLocked(startObject(e, t))
	case e.Kind == build.TaskProgress && e.Time.Sub(t.told) >= jsonEvery:
		t.told = e.Time
		j.writeLocked(jsonProgress{startObject(e, t), e.Bytes})
	case e.Kind == build.Waiting:
		j.writeLocked(waitingObject(e, t))
	case e.Kind == build.TaskEnd:
		delete(j.tasks, e.Task)
		j.writeLocked(endObject(e, t))
	}
}

func head(t time.Time, event string) jsonHead {
	return jsonHead{t.UTC().Format("2006-01-02T15:04:05.000Z"), event}
}

func startObject(e build.Event, t *jsonTask) jsonStart {
	o := jsonStart{jsonHead: head(e.Time, string(e.Kind)), jsonAbout: jsonAbout{t.number, e.What, e.Subject, e.Where}}
	if e.Total >= 0 {
		o.Total = &e.Total
	}
	return o
}

func waitingObject(e build.Event, t *jsonTask) jsonWaiting {
	about := jsonAbout{t.number, e.What, e.Subject, e.Where}
	return jsonWaiting{head(e.Time, string(e.Kind)), about, e.Host, e.Reason, seconds(e.Delay), e.Tries}
}

func endObject(e build.Event, t *jsonTask) jsonEnd {
	o := jsonEnd{jsonProgress: jsonProgress{startObject(e, t), e.Bytes}, Seconds: seconds(e.Time.Sub(t.start)), Result: e.How, Digest: e.Digest}
	switch {
	case e.Stopped:
		o.Result = "stopped"
	case e.Err != nil:
		o.Result, o.Error = "failed", e.Err.Error()
	}
	return o
}

// seconds are exact to the millisecond.
func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*1000) / 1000 }

// Print implements Display.
func (j *jsonLines) Print(at, text string) { j.write(jsonText{head(time.Now(), "print"), at, text}) }

// Line implements Display.
func (j *jsonLines) Line(text string, kind Kind) {
	event := map[Kind]string{Notice: "notice", Warning: "warning", Summary: "summary"}[kind]
	j.write(jsonText{jsonHead: head(time.Now(), event), Text: text})
}

// Close implements Display: nothing moves.
func (j *jsonLines) Close() {}

func (j *jsonLines) write(object any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.writeLocked(object)
}

func (j *jsonLines) writeLocked(object any) {
	encoder := json.NewEncoder(j.w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(object) // there is nobody to tell that stderr is gone
}
