package progress

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imgscript/imgscript/core/build"
)

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	j := newJSON(&out)
	j.Event(started(1, build.LayerWork, "/app <&>\x1b", -1, 0))
	j.Event(moved(1, 10, 50)) // too soon
	j.Event(moved(1, 20, 250))
	j.Event(moved(1, 30, 499))
	j.Event(moved(1, 40, 500))
	e := ended(1, 50, "built", nil, 1234)
	e.Digest = "sha256:0123"
	e.What, e.Subject, e.Total = build.LayerWork, "/app", -1
	j.Event(e)
	j.Event(started(1, build.PushWork, "x", 0, 2000)) // of the next run
	j.Event(waited(1, "EOF", 1, 1500*time.Millisecond, 2000))
	j.Event(waited(0, "429 Too Many Requests", 0, time.Second, 2000))
	e = ended(1, 0, "", errors.New("bad"), 3000)
	j.Event(e)
	j.Event(e) // nothing ends twice
	j.Event(build.Event{Kind: build.Warning, At: place("build.star:3:1"), Text: "a socket\nis skipped", Time: clock(4000)})
	want := `{"time":"1970-01-01T00:16:40.000Z","event":"start","task":1,"what":"layer","subject":"/app <&>\u001b","where":"","total":null}
{"time":"1970-01-01T00:16:40.250Z","event":"progress","task":1,"what":"","subject":"","where":"","total":0,"bytes":20}
{"time":"1970-01-01T00:16:40.500Z","event":"progress","task":1,"what":"","subject":"","where":"","total":0,"bytes":40}
{"time":"1970-01-01T00:16:41.234Z","event":"end","task":1,"what":"layer","subject":"/app","where":"","total":null,"bytes":50,"seconds":1.234,"result":"built","digest":"sha256:0123","error":""}
{"time":"1970-01-01T00:16:42.000Z","event":"start","task":2,"what":"push","subject":"x","where":"","total":0}
{"time":"1970-01-01T00:16:42.000Z","event":"waiting","task":2,"what":"","subject":"","where":"","host":"registry.example.com","reason":"EOF","delay":1.5,"tries":1}
{"time":"1970-01-01T00:16:42.000Z","event":"waiting","task":0,"what":"","subject":"","where":"","host":"registry.example.com","reason":"429 Too Many Requests","delay":1,"tries":0}
{"time":"1970-01-01T00:16:43.000Z","event":"end","task":2,"what":"","subject":"","where":"","total":0,"bytes":0,"seconds":1,"result":"failed","digest":"","error":"bad"}
{"time":"1970-01-01T00:16:44.000Z","event":"warning","at":"build.star:3:1","text":"a socket\nis skipped"}
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	out.Reset()
	j.Print("build.star:4:1", "half way")
	j.Line("no credentials", Warning)
	j.Line("interrupted", Notice)
	j.Line("saved", Summary)
	j.Close()
	for i, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		want := []string{
			`"event":"print","at":"build.star:4:1","text":"half way"}`, `"event":"warning","at":"","text":"no credentials"}`,
			`"event":"notice","at":"","text":"interrupted"}`, `"event":"summary","at":"","text":"saved"}`,
		}[i]
		if !strings.HasSuffix(line, want) {
			t.Errorf("got %s, want the end %s", line, want)
		}
	}
}
