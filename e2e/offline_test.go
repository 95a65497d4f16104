package e2e_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// withoutNetwork is the command that runs another one in a network namespace of its own, which has no way to anywhere, loopback included.
func withoutNetwork(t *testing.T) []string {
	t.Helper()
	cmd := []string{tool(t, "unshare"), "--net"}
	if os.Getuid() != 0 {
		cmd = append(cmd, "--map-root-user")
	}
	if out, err := exec.Command(cmd[0], append(cmd[1:], "true")...).CombinedOutput(); err != nil {
		if os.Getenv("IMGSCRIPT_E2E") == "require" {
			t.Fatalf("%v: %v\n%s", cmd, err, out)
		}
		t.Skipf("this user can make no network namespace: %s", bytes.TrimSpace(out))
	}
	return cmd
}

// TestRebuiltWithoutNetwork: ten services on one base are rebuilt from the lock and the cache, in a network namespace without routes, to the same digests.
func TestRebuiltWithoutNetwork(t *testing.T) {
	isolated := withoutNetwork(t)
	w := newWorld(t, nil)
	if err := os.CopyFS(w.dir, os.DirFS("../examples")); err != nil {
		t.Fatal(err)
	}
	reg := registrytest.New(t, nil)
	release := func(text string) {
		var children []content.Descriptor
		for _, arch := range []string{"amd64", "arm64"} {
			desc := reg.PushImage("alpine", "", registrytest.Image{Arch: arch, Layers: []map[string]string{{"/bin/sh": text}}}).Manifest
			desc.Platform = &specs.Platform{OS: "linux", Architecture: arch}
			children = append(children, desc)
		}
		reg.PushIndex("alpine", "3", false, children...)
	}
	script := w.path("services.star")
	imgscript := func(prefix []string, args ...string) (stdout, stderr string, code int) {
		t.Helper()
		args = append(args, script, "--progress", "quiet", "--var", "base="+reg.Host+"/alpine:3", "--var", "registry=oci:out")
		line := append(prefix, append([]string{program}, args...)...)
		cmd := exec.Command(line[0], line[1:]...)
		cmd.Dir, cmd.Env = w.dir, w.environment()
		var out, diagnosis bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &diagnosis
		if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return out.String(), diagnosis.String(), cmd.ProcessState.ExitCode()
	}
	must := func(prefix []string, args ...string) string {
		t.Helper()
		stdout, stderr, code := imgscript(prefix, args...)
		if code != 0 {
			t.Fatalf("%v: exit code %d\n%s", args, code, stderr)
		}
		return stdout
	}

	release("one")
	must(nil, "update", "--download")
	release("two") // nobody has to see that
	online := must(nil, "run")
	if n := strings.Count(online, "\n"); n != 10 {
		t.Fatalf("%d images were saved:\n%s", n, online)
	}
	if err := os.RemoveAll(filepath.Join(w.dir, "out")); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := imgscript(isolated, "run", "--no-cache"); code != 3 {
		t.Fatalf("with a network, or what else: exit code %d\n%s", code, stderr)
	}
	if offline := must(isolated, "run", "--locked", "--offline"); offline != online {
		t.Errorf("without a network:\n%s\nwith one:\n%s", offline, online)
	}
	if _, stderr, code := imgscript(isolated, "run", "--locked", "--offline", "--no-cache"); code != 5 || !strings.Contains(stderr, "imgscript update --download "+script) {
		t.Errorf("without the cache: exit code %d\n%s", code, stderr)
	}
}
