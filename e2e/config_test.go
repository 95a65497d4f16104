package e2e_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// configured sets what an image can say of how it is run, on a base of REG, and saves it.
const configured = `
img = image(REG + "/base:v1", REG + "/app:v1")
img.add_files({"/hello": custom_file("hello\n")})
img.add_files({"/etc/motd": whiteout(), "/app": "app"})
img.author = "me <me@example.com>"
img.created = "2024-01-31T12:00:00Z"
img.user = "1000:1000"
img.exposed_ports = [8080, "53/udp"]
img.env["A"] = "1"
img.entrypoint = ["/tini", "--"]
img.cmd = ["node", "<&>"]
img.volumes = ["/data"]
img.working_dir = "/app"
img.labels["b"] = "2"
img.stop_signal = "SIGINT"
img.healthcheck = struct(test = ["CMD", "true"], interval = "30s", timeout = "5s", start_period = "10s", start_interval = "1s", retries = 3)
img.shell = ["/bin/bash", "-c"]
img.on_build = ["RUN make"]
c = img.get_image_config()
c["Hostname"], c["Domainname"], c["ArgsEscaped"], c["Memory"] = "host", "example.com", True, 1 << 30
data = img.get_image_data().config
data["os.version"], data["os.features"], data["variant"] = "1.2", ["x"], "v2"
img.save()
`

// configuredBase is its base.
const configuredBase = `
img = image("scratch", REG + "/base:v1")
img.add_files({"/etc/motd": custom_file("hello\n")})
img.env["PATH"] = "/bin"
img.labels["a"] = "base"
img.save()
`

// What configured makes of the object "config": the fields of the OCI, those that Docker has beyond, and those that some versions of it do not show.
const (
	ociFields = `"User":"1000:1000","ExposedPorts":{"53/udp":{},"8080/tcp":{}},"Env":["PATH=/bin","A=1"],"Entrypoint":["/tini","--"],"Cmd":["node","<&>"],` +
		`"Volumes":{"/data":{}},"WorkingDir":"/app","Labels":{"a":"base","b":"2"},"StopSignal":"SIGINT"`
	dockerFields = `,"OnBuild":["RUN make"],"Shell":["/bin/bash","-c"],"ArgsEscaped":true`
	otherFields  = `,"Hostname":"host","Domainname":"example.com","Memory":1073741824,` +
		`"Healthcheck":{"Test":["CMD","true"],"Interval":30000000000,"Timeout":5000000000,"StartPeriod":10000000000,"StartInterval":1000000000,"Retries":3}`
)

// TestConfigForOthers has skopeo read every field of a config, on bases of both formats, in the terms of the OCI and byte for byte.
func TestConfigForOthers(t *testing.T) {
	for _, format := range []string{"oci", "docker"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			tools(t, "skopeo")
			w := newWorld(t, map[string]*server{"REG": start(t, anyKind)})
			w.write("app/index.js", "index\n")
			w.run(strings.Replace(configuredBase, `"/base:v1")`, `"/base:v1", format = "`+format+`")`, 1))
			w.run(configured)
			wantConfig(t, "in the OCI's terms", w.sh("skopeo", "inspect", "--config", "docker://$REG/app:v1"), `{`+ociFields+`}`)
			wantConfig(t, "byte for byte", w.sh("skopeo", "inspect", "--config", "--raw", "docker://$REG/app:v1"), `{`+ociFields+dockerFields+otherFields+`}`)
		})
	}
}

// wantConfig compares a config, and the object "config" in it. What there is beyond it, of which skopeo's types have not all, is looked at where it is there.
func wantConfig(t *testing.T, what, got, want string) {
	t.Helper()
	var said struct {
		Author, Created, OS, Architecture, Variant string
		OSVersion                                  string   `json:"os.version"`
		OSFeatures                                 []string `json:"os.features"`
		Config                                     map[string]any
	}
	decode(t, got, &said)
	equal(t, what, []string{said.Author, said.Created, said.OS, said.Architecture}, []string{"me <me@example.com>", "2024-01-31T12:00:00Z", "linux", "amd64"})
	if said.Variant != "" || said.OSVersion != "" {
		equal(t, what, append(said.OSFeatures, said.Variant, said.OSVersion), []string{"x", "v2", "1.2"})
	}
	wantFields(t, what, said.Config, want)
}

// wantFields compares those fields of an object "config" that want has.
func wantFields(t *testing.T, what string, got map[string]any, want string) {
	t.Helper()
	var config map[string]any
	decode(t, want, &config)
	for field, value := range config {
		one, _ := json.Marshal(got[field])
		other, _ := json.Marshal(value)
		equal(t, what+": "+field, string(one), string(other))
	}
}

// layerCalls are what the history says of the layers that configured adds, below that of the base.
var layerCalls = []string{`add_files({"/etc/motd": "custom_file"})`, `add_files({"/hello": "custom_file"})`, `add_files({"/app": "//app", "/etc/motd": "whiteout()"})`}

// TestHistoryForOthers: skopeo and buildah show for each layer what made it.
func TestHistoryForOthers(t *testing.T) {
	tools(t, "skopeo", "buildah")
	w := newWorld(t, map[string]*server{"REG": start(t, anyKind)})
	w.write("app/index.js", "index\n")
	w.run(configuredBase)
	w.run(strings.Replace(configured, `data["os.version"], data["os.features"], data["variant"] = "1.2", ["x"], "v2"`, "", 1))
	type entry struct {
		CreatedBy  string `json:"created_by"`
		Created    string
		EmptyLayer bool `json:"empty_layer"`
	}
	check := func(by string, history []entry) {
		t.Helper()
		var calls []string
		for _, h := range history {
			if !h.EmptyLayer {
				calls = append(calls, h.CreatedBy)
			}
		}
		equal(t, by, calls, layerCalls)
	}
	var config struct{ History []entry }
	decode(t, w.sh("skopeo", "inspect", "--config", "docker://$REG/app:v1"), &config)
	check("skopeo", config.History)
	storage := []string{"--root", filepath.Join(w.home, "storage"), "--runroot", filepath.Join(w.home, "running"), "--storage-driver", "vfs"}
	buildah := func(args ...string) string { return w.sh("buildah", append(storage, args...)...) }
	buildah("pull", "docker://$REG/app:v1")
	var inspected struct{ OCIv1 struct{ History []entry } }
	decode(t, buildah("inspect", "--type", "image", "$REG/app:v1"), &inspected)
	check("buildah", inspected.OCIv1.History)
}
