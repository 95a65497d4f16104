package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// world is a directory of scripts, a home directory with credentials, and names of registries.
type world struct {
	t      *testing.T
	dir    string            // the root of scripts
	home   string            // for all that tools and the program keep
	header string            // what scripts begin with
	hosts  map[string]string // the registries by their names in scripts
	cache  int               // caches so far
	daemon string            // DOCKER_HOST; "" is none

	measure bool // the memory of what it runs
}

// newWorld makes one that knows the registries by name, with their passwords.
func newWorld(t *testing.T, servers map[string]*server) *world {
	w := &world{t: t, dir: t.TempDir(), home: t.TempDir(), hosts: map[string]string{}}
	w.header = "def eq(got, want):\n    if got != want:\n        fail(\"got %r, want %r\" % (got, want))\n\n"
	auths, insecure := map[string]any{}, ""
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		s := servers[name]
		w.hosts[name] = s.host
		w.header += fmt.Sprintf("%s = %q\n", name, s.host)
		insecure += fmt.Sprintf("[[registry]]\nlocation = %q\ninsecure = true\n", s.host)
		if s.auth != "" {
			auths[s.host] = map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(s.auth))}
		}
	}
	docker, err := json.Marshal(map[string]any{"auths": auths})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(w.home, "docker/config.json"), string(docker))
	writeFile(t, filepath.Join(w.home, ".config/containers/registries.conf"), insecure)
	return w
}

// environment has the credentials and nothing of the user who runs the tests but PATH.
func (w *world) environment() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + w.home,
		"TMPDIR=" + w.home,
		"XDG_RUNTIME_DIR=" + w.home,
		"DOCKER_CONFIG=" + filepath.Join(w.home, "docker"),
		"REGISTRY_AUTH_FILE=" + filepath.Join(w.home, "docker/config.json"), // skopeo, buildah
		"DOCKER_HOST=" + w.daemon,
	}
}

// write writes a file of the root.
func (w *world) write(name, data string) {
	w.t.Helper()
	writeFile(w.t, filepath.Join(w.dir, name), data)
}

// path is a path below the root.
func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// saved is a line of --output json.
type saved struct {
	Reference     string   `json:"reference"`
	Digest        string   `json:"digest"`
	Tags          []string `json:"tags"`
	MediaType     string   `json:"media_type"`
	Size          int64    `json:"size"`
	Platforms     []string `json:"platforms"`
	UploadedBytes int64    `json:"uploaded_bytes"`
	Uploaded      int      `json:"uploaded"`
	Mounted       int      `json:"mounted"`
	Skipped       int      `json:"skipped"`
	Layers        []struct {
		Digest string `json:"digest"`
		DiffID string `json:"diff_id"`
		Size   int64  `json:"size"`
	} `json:"layers"`
}

// outcome is how the program ended.
type outcome struct {
	code   int
	saved  []saved
	stderr string
	peak   int64 // bytes of memory, if they are measured
}

// try runs a script with a cache of its own.
func (w *world) try(script string, flags ...string) outcome {
	w.t.Helper()
	w.write("run.star", w.header+script)
	w.cache++
	args := append([]string{"run", w.path("run.star"), "--progress", "quiet", "--cache-dir", filepath.Join(w.home, fmt.Sprintf("cache-%d", w.cache))}, flags...)
	return w.program(args...)
}

// program runs imgscript with lines of JSON as its output.
func (w *world) program(args ...string) outcome {
	w.t.Helper()
	cmd := exec.Command(program, append(args, "--output", "json")...)
	cmd.Dir, cmd.Env = w.home, w.environment()
	peak := func() int64 { return 0 }
	if w.measure {
		peak = measured(w.t, cmd)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.t.Fatal(err)
	}
	out := outcome{code: cmd.ProcessState.ExitCode(), stderr: stderr.String(), peak: peak()}
	for lines := json.NewDecoder(&stdout); lines.More(); {
		var s saved
		if err := lines.Decode(&s); err != nil {
			w.t.Fatalf("stdout: %v\n%s", err, out.stderr)
		}
		out.saved = append(out.saved, s)
	}
	return out
}

// run runs a script that must work, and returns what it saved, in the order of the script.
func (w *world) run(script string, flags ...string) []saved {
	w.t.Helper()
	out := w.try(script, flags...)
	if out.code != 0 {
		w.t.Fatalf("exit code %d\n%s", out.code, out.stderr)
	}
	return out.saved
}

// save is run for one image.
func (w *world) save(script string, flags ...string) saved {
	w.t.Helper()
	all := w.run(script, flags...)
	if len(all) != 1 {
		w.t.Fatalf("%d images were saved, want 1", len(all))
	}
	return all[0]
}

// sh runs a tool and returns its output, which is that of stdout alone. In arguments, $NAME is the host of a registry; oci: and dir: paths are relative to the
// root.
func (w *world) sh(name string, args ...string) string {
	w.t.Helper()
	cmd := exec.Command(tool(w.t, name))
	for _, arg := range args {
		cmd.Args = append(cmd.Args, os.Expand(arg, func(name string) string { return w.hosts[name] }))
	}
	cmd.Dir, cmd.Env = w.dir, w.environment()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(cmd.Args[1:], " "), err, out, stderr.Bytes())
	}
	return string(out)
}

// busybox puts the static busybox into the root.
func (w *world) busybox() {
	w.t.Helper()
	data, err := os.ReadFile(tool(w.t, "busybox"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.write("busybox", string(data))
	if err := os.Chmod(w.path("busybox"), 0o755); err != nil {
		w.t.Fatal(err)
	}
}

// equal compares what a tool found with what it should have.
func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprintf("%q", got), fmt.Sprintf("%q", want); g != w {
		t.Errorf("%s: got %s, want %s", what, g, w)
	}
}
