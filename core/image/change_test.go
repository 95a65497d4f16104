package image_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
	"github.com/imgscript/imgscript/core/image"
)

// withConfig makes an image without layers whose config is text, byte for byte.
func withConfig(t *testing.T, mediaType, text string) *image.Image {
	t.Helper()
	src := new(content.Memory)
	configType := content.OCIConfig
	if mediaType == content.DockerManifest {
		configType = content.DockerConfig
	}
	config := put(t, src, configType, text)
	return load(t, src, put(t, src, mediaType,
		`{"schemaVersion":2,"mediaType":"`+mediaType+`","config":`+descriptor(config)+`,"layers":[]}`))
}

// pretty is a config as other tools write them: indented, with fields that nobody here knows, escapes, and Docker's own.
const pretty = `{
   "architecture": "amd64",
   "os": "linux",
   "x-unknown": {"n": 12345678901234567890, "f": 1.0, "s": "\u003cb\u003e"},
   "config": {
      "Hostname": "", "Domainname": "",
      "Env": ["PATH=/bin:/usr/bin", "A=1", "EMPTY="],
      "Cmd": ["sh", "-c", "a \u0026\u0026 b"],
      "Entrypoint": null,
      "WorkingDir": "/srv",
      "ArgsEscaped": true,
      "ExposedPorts": {"80/tcp": {}},
      "Volumes": {"/data": {}},
      "Labels": {"b": "2", "a": "1"},
      "Healthcheck": {"Test": ["CMD", "true"], "Interval": 30000000000},
      "OnBuild": ["RUN x"], "Shell": ["/bin/ash"]
   },
   "rootfs": {"type": "layers", "diff_ids": []},
   "history": []
}
`

// body is pretty as it is written when something in "config" changes: the object "config" is %s.
func body(config string) string {
	return `{"architecture":"amd64","os":"linux","x-unknown":{"n": 12345678901234567890, "f": 1.0, "s": "\u003cb\u003e"},"config":` + config +
		`,"rootfs":{"type": "layers", "diff_ids": []},"history":[]}`
}

// members are those of "config" in pretty, in their bytes.
func members() [][2]string {
	return [][2]string{
		{"Hostname", `""`}, {"Domainname", `""`}, {"Env", `["PATH=/bin:/usr/bin", "A=1", "EMPTY="]`}, {"Cmd", `["sh", "-c", "a \u0026\u0026 b"]`}, {"Entrypoint", `null`},
		{"WorkingDir", `"/srv"`}, {"ArgsEscaped", `true`}, {"ExposedPorts", `{"80/tcp": {}}`}, {"Volumes", `{"/data": {}}`}, {"Labels", `{"b": "2", "a": "1"}`},
		{"Healthcheck", `{"Test": ["CMD", "true"], "Interval": 30000000000}`}, {"OnBuild", `["RUN x"]`}, {"Shell", `["/bin/ash"]`},
	}
}

// changed are members with others set; a value "" takes one out, a new one goes to the end.
func changed(sets ...string) string {
	var out []string
	all := members()
	for i := 0; i < len(sets); i += 2 {
		found := false
		for j := range all {
			if all[j][0] == sets[i] {
				all[j][1], found = sets[i+1], true
			}
		}
		if !found {
			all = append(all, [2]string{sets[i], sets[i+1]})
		}
	}
	for _, m := range all {
		if m[1] != "" {
			out = append(out, `"`+m[0]+`":`+m[1])
		}
	}
	return body("{" + strings.Join(out, ",") + "}")
}

func text(s string) *string { return &s }

func TestWith(t *testing.T) {
	created := time.Date(2024, 5, 6, 7, 8, 9, 5e8, time.FixedZone("x", 3600))
	for _, c := range []struct {
		name string
		c    image.Changes
		want string
	}{
		{"user", image.Changes{User: text("app:app")}, changed("User", `"app:app"`)},
		{"working dir", image.Changes{WorkingDir: text("/app/./x/")}, changed("WorkingDir", `"/app/x"`)},
		{"working dir below the base's", image.Changes{WorkingDir: text("a/../b")}, changed("WorkingDir", `"/srv/b"`)},
		{"working dir, none", image.Changes{WorkingDir: text("")}, changed("WorkingDir", "")},
		{"cmd", image.Changes{Cmd: []string{"a && b", "<"}}, changed("Cmd", `["a && b","<"]`)},
		{"cmd, none", image.Changes{Cmd: []string{}}, changed("Cmd", "")},
		{"entrypoint clears cmd", image.Changes{Entrypoint: []string{"/init"}}, changed("Entrypoint", `["/init"]`, "Cmd", "")},
		{"entrypoint none clears cmd too", image.Changes{Entrypoint: []string{}}, changed("Cmd", "")},
		{"entrypoint and cmd", image.Changes{Entrypoint: []string{"/init"}, Cmd: []string{"x"}}, changed("Entrypoint", `["/init"]`, "Cmd", `["x"]`)},
		{"entrypoint and the base's cmd", image.Changes{Entrypoint: []string{"/i"}, Cmd: []string{"sh", "-c", "a && b"}}, changed("Entrypoint", `["/i"]`)},
		{"env in its place", image.Changes{Env: []string{"A=2"}}, changed("Env", `["PATH=/bin:/usr/bin","A=2","EMPTY="]`)},
		{"env added", image.Changes{Env: []string{"N=1=2"}}, changed("Env", `["PATH=/bin:/usr/bin","A=1","EMPTY=","N=1=2"]`)},
		{"env twice in one call: the last", image.Changes{Env: []string{"N=1", "N=2", "A=3", "A=4"}}, changed("Env", `["PATH=/bin:/usr/bin","A=4","EMPTY=","N=2"]`)},
		{"env in another case is another", image.Changes{Env: []string{"a=2"}}, changed("Env", `["PATH=/bin:/usr/bin","A=1","EMPTY=","a=2"]`)},
		{"labels", image.Changes{Labels: map[string]string{"a": "<>", "c": "3", "B": "4"}}, changed("Labels", `{"b":"2","a":"<>","B":"4","c":"3"}`)},
		{"ports", image.Changes{ExposedPorts: []string{"8080", "53/UDP", "080/tcp"}}, changed("ExposedPorts", `{"53/udp":{},"80/tcp":{},"8080/tcp":{}}`)},
		{"ports, none", image.Changes{ExposedPorts: []string{}}, changed("ExposedPorts", "")},
		{"volumes", image.Changes{Volumes: []string{"/b/", "/a"}}, changed("Volumes", `{"/a":{},"/b":{}}`)},
		{"volumes, none", image.Changes{Volumes: []string{}}, changed("Volumes", "")},
		{"stop signal", image.Changes{StopSignal: text("SIGRTMIN+3")}, changed("StopSignal", `"SIGRTMIN+3"`)},
		{"shell and on build", image.Changes{Shell: []string{"/bin/sh", "-c"}, OnBuild: []string{}}, changed("Shell", `["/bin/sh","-c"]`, "OnBuild", "")},
		{"health check", image.Changes{Healthcheck: &image.Healthcheck{Test: []string{"CMD-SHELL", "a > b"}, Interval: time.Second, Timeout: time.Minute, StartPeriod: time.Millisecond, Retries: 3}},
			changed("Healthcheck", `{"Test":["CMD-SHELL","a > b"],"Interval":1000000000,"Timeout":60000000000,"StartPeriod":1000000,"Retries":3}`)},
		{"health check, quicker at the start", image.Changes{Healthcheck: &image.Healthcheck{Test: []string{"CMD", "a"}, StartInterval: time.Second}},
			changed("Healthcheck", `{"Test":["CMD","a"],"StartInterval":1000000000}`)},
		{"health check, none", image.Changes{Healthcheck: &image.Healthcheck{None: true}}, changed("Healthcheck", `{"Test":["NONE"]}`)},
		{"author", image.Changes{Author: text("Ä <a@b>")}, strings.TrimSuffix(body(prettyConfig), "}") + `,"author":"Ä <a@b>"}`},
		{"created", image.Changes{Created: &created}, strings.TrimSuffix(body(prettyConfig), "}") + `,"created":"2024-05-06T06:08:09.5Z"}`},
	} {
		for _, mediaType := range []string{content.OCIManifest, content.DockerManifest} {
			base := withConfig(t, mediaType, pretty)
			img, err := base.With(&c.c)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			if diff := cmp.Diff(c.want, string(img.Config())); diff != "" {
				t.Errorf("%s: %s", c.name, diff)
			}
			if string(base.Config()) != pretty {
				t.Errorf("%s: the base has changed", c.name)
			}
			if again, err := img.With(&c.c); err != nil || again != img && c.name != "working dir below the base's" {
				t.Errorf("%s: done twice is another image (%v): %s", c.name, err, again.Config())
			}
			reloaded(t, img)
		}
	}
}

// prettyConfig is the object "config" of pretty, which an edit elsewhere leaves as it is, white space and all.
var prettyConfig = pretty[strings.Index(pretty, `"config": `)+len(`"config": `) : strings.Index(pretty, ",\n   \"rootfs\"")]

func TestWithNothingIsTheSameImage(t *testing.T) {
	base := withConfig(t, content.OCIManifest, pretty)
	for name, c := range map[string]*image.Changes{
		"nil": nil, "zero": {},
		"what the base has": {
			WorkingDir: text("/srv"), Cmd: []string{"sh", "-c", "a && b"}, Entrypoint: []string{}, Env: []string{"A=1", "EMPTY="},
			Labels: map[string]string{"a": "1"}, ExposedPorts: []string{"80"}, Volumes: []string{"/data/"}, Shell: []string{"/bin/ash"}, OnBuild: []string{"RUN x"},
			Healthcheck: &image.Healthcheck{Test: []string{"CMD", "true"}, Interval: 30 * time.Second}, User: text(""), StopSignal: text(""), Author: text(""),
			Annotations: map[string]string{},
		},
	} {
		img, err := base.With(c)
		if err != nil || img != base {
			t.Errorf("%s: another image, %v", name, err)
		}
	}
	for name, f := range map[string]func() (*image.Image, error){
		"the same format": func() (*image.Image, error) { return base.WithFormat(image.FormatOCI) },
		"no layers":       func() (*image.Image, error) { return base.Append(nil) },
		"no JSON":         func() (*image.Image, error) { return base.WithJSON(nil, nil) },
		"the same JSON":   func() (*image.Image, error) { return base.WithJSON(base.Manifest(), base.Config()) },
	} {
		if img, err := f(); err != nil || img != base {
			t.Errorf("%s: another image, %v", name, err)
		}
	}
}

func TestWithOnSparseConfigs(t *testing.T) {
	c := &image.Changes{Env: []string{"A=1"}, Labels: map[string]string{"l": ""}, WorkingDir: text("app")}
	for _, base := range []struct{ config, want string }{
		{`{"os":"linux"}`, `{"os":"linux","config":{"Env":["A=1"],"WorkingDir":"/app","Labels":{"l":""}}}`},
		{`{"os":"linux","config":null}`, `{"os":"linux","config":{"Env":["A=1"],"WorkingDir":"/app","Labels":{"l":""}}}`},
		{`{"config":{"Labels":null,"Env":null}}`, `{"config":{"Labels":{"l":""},"Env":["A=1"],"WorkingDir":"/app"}}`},
		{`{"config":{"env":["A=0"],"labels":{}}}`, `{"config":{"env":["A=1"],"labels":{"l":""},"WorkingDir":"/app"}}`},
		{`{"config":{"Env":["A=0","B=1","A=2","AB=3","A"]}}`, `{"config":{"Env":["A=1","B=1","AB=3"],"WorkingDir":"/app","Labels":{"l":""}}}`},
	} {
		img, err := withConfig(t, content.OCIManifest, base.config).With(c)
		if err != nil || string(img.Config()) != base.want {
			t.Errorf("%s: got %s, %v; want %s", base.config, img.Config(), err, base.want)
		}
	}
}

func TestWithOnWindows(t *testing.T) {
	base := withConfig(t, content.DockerManifest, `{"os":"windows","architecture":"amd64","os.version":"10.0.17763.1","config":{"Env":["Path=C:\\"]}}`)
	img, err := base.With(&image.Changes{Env: []string{"PATH=D:\\"}, WorkingDir: text(`C:\app`), Volumes: []string{`C:\data`}})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"os":"windows","architecture":"amd64","os.version":"10.0.17763.1","config":{"Env":["PATH=D:\\"],"Volumes":{"C:\\data":{}},"WorkingDir":"C:\\app"}}`
	if got := string(img.Config()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if v, ok := img.Env("path"); !ok || v != `D:\` {
		t.Errorf("path: %q, %t", v, ok)
	}
}

func TestWithAnnotations(t *testing.T) {
	src := new(content.Memory)
	base := load(t, src, contenttest.Image(t, src, content.OCIManifest, 1))
	img, err := base.With(&image.Changes{Annotations: map[string]string{"org.example.b": "<2>", "org.example.a": "1"}})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.TrimSuffix(string(base.Manifest()), "}") + `,"annotations":{"org.example.a":"1","org.example.b":"<2>"}}`
	if got := string(img.Manifest()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if string(img.Config()) != string(base.Config()) {
		t.Error("the config has changed")
	}
	docker := load(t, src, contenttest.Image(t, src, content.DockerManifest, 1))
	_, err = docker.With(&image.Changes{Annotations: map[string]string{"a": "1"}})
	if !errors.Is(err, content.ErrUnsupported) || !strings.Contains(err.Error(), `format = "oci"`) {
		t.Errorf("got %v", err)
	}
}

func TestWithRefuses(t *testing.T) {
	year := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		c    image.Changes
		want string
	}{
		{image.Changes{ExposedPorts: []string{"80/tpc"}}, `exposed port "80/tpc": the protocol "tpc" is none of tcp, udp and sctp`},
		{image.Changes{ExposedPorts: []string{"0"}}, "1 to 65535"}, {image.Changes{ExposedPorts: []string{"65536"}}, "1 to 65535"},
		{image.Changes{ExposedPorts: []string{"http"}}, "1 to 65535"}, {image.Changes{ExposedPorts: []string{""}}, "1 to 65535"}, {image.Changes{ExposedPorts: []string{"+80"}}, "1 to 65535"},
		{image.Changes{ExposedPorts: []string{"80-90/tcp"}}, "list each port"}, {image.Changes{ExposedPorts: []string{"127.0.0.1:80:80"}}, "docker run -p"},
		{image.Changes{Env: []string{"NAME"}}, `environment variable "NAME": want NAME=value`}, {image.Changes{Env: []string{"=x"}}, "the name is empty"},
		{image.Changes{Env: []string{"A=\x00"}}, "NUL"}, {image.Changes{Env: []string{"A=\xff"}}, "not UTF-8"}, {image.Changes{Env: []string{""}}, "want NAME=value"},
		{image.Changes{Labels: map[string]string{"": "x"}}, "the key is empty"}, {image.Changes{Labels: map[string]string{"l": "\xff"}}, `label "l"`},
		{image.Changes{Annotations: map[string]string{"": "x"}}, "the key is empty"},
		{image.Changes{Volumes: []string{"data"}}, `a volume's path is absolute: "/data"`}, {image.Changes{Volumes: []string{"/"}}, "root"},
		{image.Changes{Volumes: []string{"/a/.."}}, "root"}, {image.Changes{Volumes: []string{""}}, "absolute"},
		{image.Changes{StopSignal: text("SIG TERM")}, "stop signal"}, {image.Changes{StopSignal: text("0")}, "stop signal"}, {image.Changes{StopSignal: text("-9")}, "stop signal"},
		{image.Changes{Cmd: []string{"\xff"}}, "cmd"}, {image.Changes{Entrypoint: []string{"a\x00"}}, "entrypoint"}, {image.Changes{User: text("\x00")}, "user"},
		{image.Changes{WorkingDir: text("/\x00")}, "working directory"}, {image.Changes{Created: &year}, "year"},
		{image.Changes{Healthcheck: &image.Healthcheck{}}, "no test"}, {image.Changes{Healthcheck: &image.Healthcheck{Test: []string{"curl", "x"}}}, `begins with "curl"`},
		{image.Changes{Healthcheck: &image.Healthcheck{Test: []string{"CMD"}}}, "elements"}, {image.Changes{Healthcheck: &image.Healthcheck{Test: []string{"CMD-SHELL", "a", "b"}}}, "elements"},
		{image.Changes{Healthcheck: &image.Healthcheck{Test: []string{"CMD", "a"}, Interval: -1}}, "interval"},
		{image.Changes{Healthcheck: &image.Healthcheck{Test: []string{"CMD", "a"}, Timeout: 10}}, "timeout"}, {image.Changes{Healthcheck: &image.Healthcheck{Test: []string{"CMD", "a"}, Retries: -1}}, "retries"},
		{image.Changes{Healthcheck: &image.Healthcheck{None: true, Retries: 1}}, "none"},
	} {
		base := withConfig(t, content.OCIManifest, pretty)
		img, err := base.With(&c.c)
		if !errors.Is(err, content.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, %v; want ErrInvalid with %q", c.c, img, err, c.want)
		}
	}
}

func TestWithReportsAllThatIsWrong(t *testing.T) {
	_, err := withConfig(t, content.OCIManifest, pretty).With(&image.Changes{
		Env: []string{"A", "B"}, ExposedPorts: []string{"x"}, Volumes: []string{"v"}, StopSignal: text("?"),
	})
	for _, want := range []string{`"A"`, `"B"`, `"x"`, `"v"`, `"?"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing in: %v", want, err)
		}
	}
}

func TestEnv(t *testing.T) {
	img := withConfig(t, content.OCIManifest, `{"config":{"Env":["A=1","B=","A=2","C","D=x=y"]}}`)
	for name, want := range map[string]string{"A": "2", "B": "", "C": "", "D": "x=y"} {
		if got, ok := img.Env(name); !ok || got != want {
			t.Errorf("%s: %q, %t; want %q", name, got, ok, want)
		}
	}
	for _, name := range []string{"E", "a", ""} {
		if got, ok := img.Env(name); ok {
			t.Errorf("%s: %q", name, got)
		}
	}
}
