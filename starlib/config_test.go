package starlib

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgscript/imgscript/core/content"
)

// dockerConfig has the fields of a config that are Docker's (github.com/moby/docker-image-spec) and those that the OCI reserves for them.
type dockerConfig struct {
	DockerVersion string `json:"docker_version"`
	Config        struct {
		Hostname, Domainname, MacAddress string
		OnBuild, Shell                   []string
		Healthcheck                      struct {
			Test                                          []string
			Interval, Timeout, StartPeriod, StartInterval time.Duration
			Retries                                       int
		}
		Memory, MemorySwap, CpuShares int64
		NetworkDisabled, Tty          bool
		ArgsEscaped                   bool
		StopTimeout                   int
	}
}

// configFields are the fields of configs, how a script sets each, and what a reader with types finds then.
var configFields = []struct {
	name, script string
	read         func(o *specs.Image, d *dockerConfig) any
	want         any
}{
	{"created", `img.created = "2024-01-31T12:00:00Z"`, func(o *specs.Image, _ *dockerConfig) any { return o.Created.Format(time.RFC3339) }, "2024-01-31T12:00:00Z"},
	{"author", `img.author = "me <me@example.com>"`, func(o *specs.Image, _ *dockerConfig) any { return o.Author }, "me <me@example.com>"},
	{"architecture", `data["architecture"] = "riscv64"`, func(o *specs.Image, _ *dockerConfig) any { return o.Architecture }, "riscv64"},
	{"variant", `data["variant"] = "v3"`, func(o *specs.Image, _ *dockerConfig) any { return o.Variant }, "v3"},
	{"os", `data["os"] = "freebsd"`, func(o *specs.Image, _ *dockerConfig) any { return o.OS }, "freebsd"},
	{"os.version", `data["os.version"] = "14.2"`, func(o *specs.Image, _ *dockerConfig) any { return o.OSVersion }, "14.2"},
	{"os.features", `data["os.features"] = ["win32k"]`, func(o *specs.Image, _ *dockerConfig) any { return o.OSFeatures }, []string{"win32k"}},
	{"User", `img.user = "1000:1000"`, func(o *specs.Image, _ *dockerConfig) any { return o.Config.User }, "1000:1000"},
	{"ExposedPorts", `img.exposed_ports = [8080, "53/udp"]`, func(o *specs.Image, _ *dockerConfig) any { return o.Config.ExposedPorts }, map[string]struct{}{"8080/tcp": {}, "53/udp": {}}},
	{"Env", `img.env["A"] = "1"`, func(o *specs.Image, _ *dockerConfig) any { return o.Config.Env }, []string{"PATH=/bin", "LANG=C", "A=1"}},
	{"Entrypoint", `img.entrypoint = ["/tini", "--"]`, func(o *specs.Image, _ *dockerConfig) any { return o.Config.Entrypoint }, []string{"/tini", "--"}},
	{"Cmd", `img.cmd = ["node", "<&>"]`, func(o *specs.Image, _ *dockerConfig) any { return o.Config.Cmd }, []string{"node", "<&>"}},
	{"Volumes", `img.volumes = ["/data", "/log/"]`, func(o *specs.Image, _ *dockerConfig) any { return o.Config.Volumes }, map[string]struct{}{"/data": {}, "/log": {}}},
	{"WorkingDir", `img.working_dir = "app"`, func(o *specs.Image, _ *dockerConfig) any { return o.Config.WorkingDir }, "/base/app"},
	{"Labels", `img.labels["b"] = "2"`, func(o *specs.Image, _ *dockerConfig) any { return o.Config.Labels }, map[string]string{"a": "base", "b": "2"}},
	{"StopSignal", `img.stop_signal = "SIGINT"`, func(o *specs.Image, _ *dockerConfig) any { return o.Config.StopSignal }, "SIGINT"},
	{"ArgsEscaped", `config["ArgsEscaped"] = True`, func(_ *specs.Image, d *dockerConfig) any { return d.Config.ArgsEscaped }, true},
	{"Memory", `config["Memory"] = 1 << 40`, func(_ *specs.Image, d *dockerConfig) any { return d.Config.Memory }, int64(1 << 40)},
	{"MemorySwap", `config["MemorySwap"] = -1`, func(_ *specs.Image, d *dockerConfig) any { return d.Config.MemorySwap }, int64(-1)},
	{"CpuShares", `config["CpuShares"] = 8`, func(_ *specs.Image, d *dockerConfig) any { return d.Config.CpuShares }, int64(8)},
	{"Hostname", `config["Hostname"] = "host"`, func(_ *specs.Image, d *dockerConfig) any { return d.Config.Hostname }, "host"},
	{"Domainname", `config["Domainname"] = "example.com"`, func(_ *specs.Image, d *dockerConfig) any { return d.Config.Domainname }, "example.com"},
	{"MacAddress", `config["MacAddress"] = "00:00:5e:00:53:00"`, func(_ *specs.Image, d *dockerConfig) any { return d.Config.MacAddress }, "00:00:5e:00:53:00"},
	{"NetworkDisabled", `config["NetworkDisabled"] = True`, func(_ *specs.Image, d *dockerConfig) any { return d.Config.NetworkDisabled }, true},
	{"Tty", `config["Tty"] = True`, func(_ *specs.Image, d *dockerConfig) any { return d.Config.Tty }, true},
	{"StopTimeout", `config["StopTimeout"] = 30`, func(_ *specs.Image, d *dockerConfig) any { return d.Config.StopTimeout }, 30},
	{"OnBuild", `img.on_build = ["RUN make"]`, func(_ *specs.Image, d *dockerConfig) any { return d.Config.OnBuild }, []string{"RUN make"}},
	{"Shell", `img.shell = ["/bin/bash", "-c"]`, func(_ *specs.Image, d *dockerConfig) any { return d.Config.Shell }, []string{"/bin/bash", "-c"}},
	{"docker_version", `data["docker_version"] = "27.0"`, func(_ *specs.Image, d *dockerConfig) any { return d.DockerVersion }, "27.0"},
	{"Healthcheck.Test", health, func(_ *specs.Image, d *dockerConfig) any { return d.Config.Healthcheck.Test }, []string{"CMD", "true"}},
	{"Healthcheck.Interval", health, func(_ *specs.Image, d *dockerConfig) any { return d.Config.Healthcheck.Interval }, 30 * time.Second},
	{"Healthcheck.Timeout", health, func(_ *specs.Image, d *dockerConfig) any { return d.Config.Healthcheck.Timeout }, 90 * time.Second},
	{"Healthcheck.StartPeriod", health, func(_ *specs.Image, d *dockerConfig) any { return d.Config.Healthcheck.StartPeriod }, 10 * time.Second},
	{"Healthcheck.StartInterval", health, func(_ *specs.Image, d *dockerConfig) any { return d.Config.Healthcheck.StartInterval }, 500 * time.Millisecond},
	{"Healthcheck.Retries", health, func(_ *specs.Image, d *dockerConfig) any { return d.Config.Healthcheck.Retries }, 3},
	{"no Healthcheck", `img.healthcheck = "none"`, func(_ *specs.Image, d *dockerConfig) any { return d.Config.Healthcheck.Test }, []string{"NONE"}},
	{"rootfs", `img.add_files({"/a": b"a"})`, func(o *specs.Image, _ *dockerConfig) any { return len(o.RootFS.DiffIDs) }, 3},
	{"history", `img.add_files({"/a": b"a"})`, func(o *specs.Image, _ *dockerConfig) any { return o.History[len(o.History)-1].CreatedBy }, `add_files({"/a": "custom_file"})`},
	{"history.created", `img.add_files({"/a": b"a"})`, func(o *specs.Image, _ *dockerConfig) any { return o.History[len(o.History)-1].Created.Unix() }, int64(0)},
	{"history.comment", `data["history"][0]["comment"] = "why"`, func(o *specs.Image, _ *dockerConfig) any { return o.History[0].Comment }, "why"},
	{"history.author", `data["history"][0]["author"] = "me"`, func(o *specs.Image, _ *dockerConfig) any { return o.History[0].Author }, "me"},
	{"history.created_by", `data["history"][0]["created_by"] = "me"`, func(o *specs.Image, _ *dockerConfig) any { return o.History[0].CreatedBy }, "me"},
	{"history.empty_layer", `data["history"].insert(0, {"created_by": "FROM", "empty_layer": True})`, func(o *specs.Image, _ *dockerConfig) any { return o.History[0].EmptyLayer }, true},
}

const health = `img.healthcheck = struct(test = ["CMD", "true"], interval = "30s", timeout = "1m30s", start_period = "10s", start_interval = "500ms", retries = 3)`

// TestEveryField sets each field of a config on an OCI and on a Docker image. What is then in the registry is read by types of others.
func TestEveryField(t *testing.T) {
	for _, base := range []string{"oci", "docker"} {
		var script strings.Builder
		for i, f := range configFields {
			fmt.Fprintf(&script, "img = image(REG + \"/base:%s\", REG + \"/app:f%d\")\n", base, i)
			if strings.HasPrefix(f.script, "data") {
				script.WriteString("data = img.get_image_data().config\n")
			} else if strings.HasPrefix(f.script, "config") {
				script.WriteString("config = img.get_image_config()\n")
			}
			script.WriteString(f.script + "\nimg.save()\n")
		}
		w := newWorld(t, script.String())
		if _, err := w.run(t.Context(), "proj/build.star", script.String()); err != nil {
			t.Fatal(err)
		}
		for i, f := range configFields {
			data, err := w.blobOf(w.reg.Host+"/app", fmt.Sprintf("f%d", i), func(doc *content.Document) content.Descriptor { return *doc.Config })
			if err != nil {
				t.Fatal(err)
			}
			var o specs.Image
			var d dockerConfig
			if err := json.Unmarshal(data, &o); err != nil {
				t.Errorf("%s %s: %v", base, f.name, err)
				continue
			}
			must(t, json.Unmarshal(data, &d))
			if diff := cmp.Diff(f.want, f.read(&o, &d)); diff != "" {
				t.Errorf("%s %s: %s", base, f.name, diff)
			}
			if o.Config.Labels["a"] != "base" && f.name != "Labels" {
				t.Errorf("%s %s: what the base has is gone: %s", base, f.name, data)
			}
		}
	}
}

// TestWrongByHand: a field that is edited into what engines do not read is an error with its path, at the line that took the dict.
func TestWrongByHand(t *testing.T) {
	for edit, want := range map[string]string{
		`data["author"] = 1`:                                 "config: author: want a string, got 1",
		`data["created"] = "yesterday"`:                      `config: created: "yesterday": it is no RFC 3339 time`,
		`data["created"] = "2024-01-31"`:                     `did you mean "2024-01-31T00:00:00Z"?`,
		`data["os.features"] = "win32k"`:                     `config: os.features: want a list of strings, got "win32k"`,
		`data["config"] = []`:                                "config: config: want an object, got []",
		`data["history"] = {}`:                               "config: history: want a list of objects, got {}",
		`data["history"][1]["created"] = 0`:                  "config: history[1].created: want a string, got 0",
		`data["history"][0]["empty_layer"] = "yes"`:          `config: history[0].empty_layer: want true or false, got "yes"`,
		`data["history"].append({"created_by": "one more"})`: "config: history: it tells of 3 layers, and the image has 2",
		`data["rootfs"]["type"] = 1`:                         "config: rootfs.type: want a string, got 1",
		`config["Cmd"] = "node"`:                             `config: Cmd: want a list of strings, got "node"`,
		`config["Env"].append("A B")`:                        `config: Env[2]: "A B": want NAME=value; did you mean "A=B"?`,
		`config["Env"] = {"A": "b"}`:                         "config: Env: want a list of strings",
		`config["ExposedPorts"] = ["80"]`:                    "config: ExposedPorts: want an object whose keys are the names",
		`config["ExposedPorts"] = {"80/tpc": {}}`:            `config: ExposedPorts: "80/tpc": the protocol "tpc" is none of tcp, udp and sctp; did you mean "80/tcp"?`,
		`config["StopSignal"] = "SIGTREM"`:                   `config: StopSignal: "SIGTREM": want a name, such as "SIGTERM", or a number from 1 to 64; did you mean "SIGTERM"?`,
		`config["User"] = 1000`:                              "config: User: want a string, got 1000",
		`config["OnBuild"] = ["FROM x"]`:                     `config: OnBuild[0]: "FROM x": a Dockerfile does not allow FROM there`,
		`config["Healthcheck"] = {"Test": "true"}`:           `config: Healthcheck.Test: want a list of strings, got "true"`,
		`config["Healthcheck"] = {"Interval": "30s"}`:        `config: Healthcheck.Interval: want a whole number of nanoseconds, such as 30000000000 for 30 seconds, got "30s"`,
		`config["Healthcheck"] = {"StartInterval": 1.5}`:     "config: Healthcheck.StartInterval: want a whole number",
		`config["Memory"] = "1g"`:                            `config: Memory: want a whole number, got "1g"`,
		`config["Labels"]["n"] = 1`:                          "config: Labels: want an object of strings",
		`config["ArgsEscaped"] = 1`:                          "config: ArgsEscaped: want true or false, got 1",
		`config["User"], config["Memory"] = 1, "1g"`:         "config: Memory: want a whole number, got \"1g\"\ninvalid config: User: want a string, got 1",
		`config["cmd"] = "node"`:                             "config: ",
	} {
		script := "img = image(REG + \"/base:oci\", REG + \"/app\")\nconfig, data = img.get_image_config(), img.get_image_data().config\n" + edit + "\nimg.save()\n"
		w := newWorld(t, script)
		_, err := w.run(t.Context(), "proj/build.star", script)
		e, ok := err.(*Error)
		if !ok || !strings.Contains(e.Msg, want) || len(e.Step) == 0 || e.Step[0].Line != 2 {
			t.Errorf("%s: got %v, want %q in line 2", edit, err, want)
		}
	}
}
