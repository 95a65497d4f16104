package inspect_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imgscript/imgscript/core/inspect"
)

// TestFields lists what configs say by the names of scripts, and what those have no names for.
func TestFields(t *testing.T) {
	config := `{
		"created": "2024-05-01T12:00:00Z", "architecture": "arm64", "os": "linux", "variant": "v8", "os.version": "10", "author": "Ann", "docker_version": "20.10",
		"rootfs": {"type": "layers", "diff_ids": []}, "history": [{"created_by": "x"}], "x-own": {"b": [1, "a,b:\"c"]},
		"config": {
			"User": "app", "env": ["PATH=/bin", "A=1", "EMPTY=", "A=2", "NOTHING"], "Cmd": ["a", "b c"], "Entrypoint": null, "WorkingDir": "/app",
			"ExposedPorts": {"8080/tcp": {}, "53/udp": {}}, "Volumes": {}, "Labels": {"z": "1", "a": "<&>"}, "StopSignal": "", "ArgsEscaped": false, "Tty": true,
			"Healthcheck": {"Test": ["CMD-SHELL", "curl -f localhost"], "Interval": 30000000000, "Timeout": 5000000000, "Retries": 3},
			"Hostname": "", "Memory": 0, "OnBuild": [], "StopTimeout": 10
		}
	}`
	want := `created=2024-05-01T12:00:00Z
author=Ann
os=linux
architecture=arm64
variant=v8
os_version=10
user=app
working_dir=/app
cmd=["a", "b c"]
env A=2
env EMPTY=
env NOTHING=
env PATH=/bin
exposed_ports=53/udp, 8080/tcp
healthcheck=CMD-SHELL curl -f localhost, every 30s, timeout 5s, 3 retries
labels a=<&>
labels z=1
config.StopTimeout=10
config.Tty=true
docker_version=20.10
x-own={"b": [1, "a,b:\"c"]}`
	var lines []string
	for _, f := range inspect.Fields([]byte(config)) {
		name := f.Name
		if f.Key != "" {
			name += " " + f.Key
		}
		lines = append(lines, name+"="+f.Text())
	}
	if diff := cmp.Diff(want, strings.Join(lines, "\n")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestOddFields shows what has another type than it should as it is.
func TestOddFields(t *testing.T) {
	for config, want := range map[string]string{
		``:                                   "",
		`null`:                               "",
		`[1]`:                                "",
		`not JSON`:                           "",
		`{"config":[1]}`:                     "config=[1]",
		`{"config":null}`:                    "",
		`{"config":{"Env":"A=1"}}`:           "env=A=1",
		`{"config":{"Labels":["odd"]}}`:      `labels=["odd"]`,
		`{"config":{"ExposedPorts":["80"]}}`: "exposed_ports=80",
		`{"config":{"Healthcheck":"x"}}`:     "healthcheck=x",
		`{"name":"app","version":"1.2","n":1e99}`: "n=1e99 name=app version=1.2",
	} {
		var got []string
		for _, f := range inspect.Fields([]byte(config)) {
			got = append(got, f.Name+"="+f.Text())
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: got %q, want %q", config, s, want)
		}
	}
}
