package build_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// at is the Origin of a line in a test's pretended program.
type at string

func (a at) String() string { return string(a) }

func newEngine(t testing.TB, jobs int) *build.Engine {
	t.Helper()
	return newEngineFor(t, jobs, auth.Chain())
}

func newEngineFor(t testing.TB, jobs int, keychain auth.Keychain) *build.Engine {
	t.Helper()
	e, err := build.NewEngine(&build.EngineOptions{Jobs: jobs, Keychain: keychain, Backoff: registry.Backoff{First: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// tree makes a root with the given files.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, data := range files {
		full := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func base(t testing.TB, reg *registrytest.Server) registrytest.Seeded {
	return reg.PushImage("base", "v1", registrytest.Image{
		Layers: []map[string]string{{"/etc/motd": "hello\n"}, {"/bin/sh": "sh"}},
		Config: map[string]any{"Env": []string{"PATH=/bin"}, "Cmd": []string{"sh"}},
	})
}

// services saves n images of one base, each with a layer of its own; the one at broken, if there is one, has a file that does not exist.
func services(r *build.Run, reg *registrytest.Server, n, broken int) error {
	img, err := r.Image(at("line 1"), reg.Host+"/base:v1", nil)
	if err != nil {
		return err
	}
	for k := 1; k <= n; k++ {
		fork, err := img.Fork(fmt.Sprintf("%s/svc%d", reg.Host, k), nil)
		if err != nil {
			return err
		}
		local := fmt.Sprintf("svc%d", k)
		if k == broken {
			local = "missing"
		}
		fork.AddFiles(at(fmt.Sprintf("line %d", 10*k)), []build.File{{Target: "/srv", Local: local}}, nil)
		fork.Save(at(fmt.Sprintf("line %d", 10*k+1)), nil)
	}
	return nil
}

func serviceTree(t testing.TB, n int) string {
	files := map[string]string{}
	for k := 1; k <= n; k++ {
		files[fmt.Sprintf("svc%d/main", k)] = strings.Repeat(fmt.Sprint(k), 1000)
	}
	return tree(t, files)
}

// TestServicesTakeAsLongAsOne: with a slow registry, ten images are built and saved about as fast as one: what counts is how many answers a run waits for
// one after the other. Ten tags move one after the other, one answer each; everything else overlaps.
func TestServicesTakeAsLongAsOne(t *testing.T) {
	waits := func(n int) int {
		reg := registrytest.New(t, &registrytest.Options{Latency: 60 * time.Millisecond})
		base(t, reg)
		e := newEngine(t, 2)
		if _, err := e.Do(t.Context(), &build.Options{Root: serviceTree(t, n)}, func(r *build.Run) error { return services(r, reg, n, 0) }); err != nil {
			t.Fatal(err)
		}
		return registrytest.Rounds(reg)
	}
	one, ten := waits(1), waits(10)
	t.Logf("one service waits for %d answers, ten for %d", one, ten)
	if ten > one+20 {
		t.Errorf("ten services wait for %d answers, one waits for %d", ten, one)
	}
}

// TestThirdServiceFails: the tags that moved are those that a serial program would have moved, and the error is the first in program order whatever --jobs.
func TestThirdServiceFails(t *testing.T) {
	var texts []string
	for _, jobs := range []int{1, 2, 16} {
		reg := registrytest.New(t, &registrytest.Options{Latency: 5 * time.Millisecond})
		base(t, reg)
		report, err := newEngine(t, jobs).Do(t.Context(), &build.Options{Root: serviceTree(t, 10)}, func(r *build.Run) error { return services(r, reg, 10, 3) })
		var step *build.StepError
		if !errors.As(err, &step) {
			t.Fatalf("jobs %d: %v is no StepError", jobs, err)
		}
		texts = append(texts, fmt.Sprintf("%v at %v needed by %v at %v", step, step.At, step.NeededOp, step.NeededBy))
		if len(report.Saved) != 2 || len(report.Unsaved) != 8 {
			t.Errorf("jobs %d: %d saved, %d unsaved; want 2 and 8", jobs, len(report.Saved), len(report.Unsaved))
		}
		for k := 1; k <= 10; k++ {
			tags := reg.Tags(fmt.Sprintf("svc%d", k))
			if moved := slices.Contains(tags, "latest"); moved != (k < 3) {
				t.Errorf("jobs %d: svc%d has tags %v", jobs, k, tags)
			}
		}
	}
	if texts[0] != texts[1] || texts[0] != texts[2] {
		t.Errorf("the error depends on the jobs:\n%s", strings.Join(texts, "\n"))
	}
	if !strings.Contains(texts[0], "add_files: ") || !strings.HasSuffix(texts[0], "at line 30 needed by save at line 31") {
		t.Errorf("got %s", texts[0])
	}
}

// TestLaterFailureDoesNotHideAnEarlierOne: the save at line 11 fails long after the missing file at line 20 is found.
func TestLaterFailureDoesNotHideAnEarlierOne(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Latency: 20 * time.Millisecond})
	base(t, reg)
	reg.SetFaults(registrytest.Fault{Method: "PUT", Class: registrytest.ClassManifest, Match: "svc1", Status: 403, Times: -1})
	_, err := newEngine(t, 4).Do(t.Context(), &build.Options{Root: serviceTree(t, 3)}, func(r *build.Run) error { return services(r, reg, 3, 2) })
	var step *build.StepError
	if !errors.As(err, &step) || step.At.String() != "line 11" || step.Op != "save" {
		t.Errorf("got %v (%+v), want the save at line 11", err, step)
	}
}

// TestOwnErrorComesAfterSteps: what f returns is later than all that it started, which goes on to its end.
func TestOwnErrorComesAfterSteps(t *testing.T) {
	reg := registrytest.New(t, nil)
	base(t, reg)
	own := errors.New("own")
	report, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: serviceTree(t, 2)}, func(r *build.Run) error {
		if err := services(r, reg, 2, 0); err != nil {
			return err
		}
		return own
	})
	if !errors.Is(err, own) || len(report.Saved) != 2 {
		t.Errorf("got %v with %d saved", err, len(report.Saved))
	}
}

func TestPanicIsAnError(t *testing.T) {
	_, err := newEngine(t, 1).Do(t.Context(), nil, func(*build.Run) error { panic("boom") })
	if err == nil || !strings.Contains(err.Error(), "internal error: boom") {
		t.Errorf("got %v", err)
	}
}

func TestCancelledRunEndsSoon(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Latency: 30 * time.Second})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	start := time.Now()
	_, err := newEngine(t, 2).Do(ctx, &build.Options{Root: t.TempDir()}, func(r *build.Run) error {
		img, err := r.Image(at("line 1"), reg.Host+"/base", &build.ImageOptions{Target: reg.Host + "/app"})
		if err != nil {
			return err
		}
		_, err = img.Save(at("line 2"), nil).Wait()
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestLayersKeepTheOrderOfCalls: four layers on a slow base, the first of them the slowest to build.
func TestLayersKeepTheOrderOfCalls(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Latency: 30 * time.Millisecond})
	base(t, reg)
	root := tree(t, map[string]string{"a/f": strings.Repeat("x", 5_000_000), "b/f": "b", "c/f": "c", "d/f": "d"})
	_, err := newEngine(t, 4).Do(t.Context(), &build.Options{Root: root}, func(r *build.Run) error {
		img, err := r.Image(at("line 1"), reg.Host+"/base:v1", &build.ImageOptions{Target: reg.Host + "/app"})
		if err != nil {
			return err
		}
		var layers []*build.Layer
		for _, name := range []string{"a", "b", "c", "d"} {
			layers = append(layers, img.AddFiles(at("line "+name), []build.File{{Target: "/" + name, Local: name}}, nil))
		}
		saved, err := img.Save(at("line 9"), nil).Wait()
		if err != nil {
			return err
		}
		for k, l := range layers {
			built, err := l.Wait()
			if err != nil {
				return err
			}
			got, err := saved.Layers[2+k].Wait()
			if err != nil {
				return err
			}
			if got.Descriptor.Digest != built.Descriptor.Digest {
				t.Errorf("layer %d is %s, want %s", 2+k, got.Descriptor.Digest, built.Descriptor.Digest)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestLostChange: a change that nothing came of is an error that names its line; a look, a save or a fork's save makes it useful.
func TestLostChange(t *testing.T) {
	reg := registrytest.New(t, nil)
	base(t, reg)
	root := tree(t, map[string]string{"dist/f": "f"})
	cmd := image.Changes{Cmd: []string{"x"}}
	tests := []struct {
		name string
		f    func(r *build.Run, img *build.Image) error
		want string // the line that is lost
	}{
		{"nothing", func(*build.Run, *build.Image) error { return nil }, ""},
		{"config", func(_ *build.Run, img *build.Image) error {
			img.Configure(at("line 2"), "setting cmd", cmd)
			return nil
		}, "line 2"},
		{"files", func(_ *build.Run, img *build.Image) error {
			img.AddFiles(at("line 2"), []build.File{{Target: "/f", Local: "dist"}}, nil)
			return nil
		}, "line 2"},
		{"after the save", func(_ *build.Run, img *build.Image) error {
			img.Configure(at("line 2"), "setting cmd", cmd)
			img.Save(at("line 3"), nil)
			img.AddFiles(at("line 4"), []build.File{{Target: "/f", Local: "dist"}}, nil)
			return nil
		}, "line 4"},
		{"looked at", func(_ *build.Run, img *build.Image) error {
			img.AddFiles(at("line 2"), []build.File{{Target: "/f", Local: "dist"}}, nil)
			_, err := img.Layers(at("line 3"))
			return err
		}, ""},
		{"digest read", func(_ *build.Run, img *build.Image) error {
			_, err := img.AddFiles(at("line 2"), []build.File{{Target: "/f", Local: "dist"}}, nil).NeededBy(at("line 3"), "layer.digest")
			return err
		}, ""},
		{"saved by a fork", func(_ *build.Run, img *build.Image) error {
			img.Configure(at("line 2"), "setting cmd", cmd)
			fork, err := img.Fork(reg.Host+"/fork", nil)
			if err != nil {
				return err
			}
			fork.Save(at("line 4"), nil)
			return nil
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: root}, func(r *build.Run) error {
				img, err := r.Image(at("line 1"), reg.Host+"/base:v1", &build.ImageOptions{Target: reg.Host + "/app"})
				if err != nil {
					return err
				}
				return tt.f(r, img)
			})
			var lost *build.LostChangeError
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v", err)
			case tt.want != "" && (!errors.As(err, &lost) || lost.At.String() != tt.want):
				t.Errorf("got %v, want a lost change at %s", err, tt.want)
			}
		})
	}
}

// TestTemplateStartsNothing: an image made as a template asks for nothing until it is used.
func TestTemplateStartsNothing(t *testing.T) {
	reg := registrytest.New(t, nil)
	base(t, reg)
	root := tree(t, map[string]string{"dist/f": "f"})
	for _, use := range []bool{false, true} {
		reg.Reset()
		_, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: root}, func(r *build.Run) error {
			img, err := r.Image(at("line 1"), reg.Host+"/base:v1", &build.ImageOptions{Template: true})
			if err != nil {
				return err
			}
			img.AddFiles(at("line 2"), []build.File{{Target: "/f", Local: "dist"}}, nil)
			time.Sleep(50 * time.Millisecond)
			if n := len(reg.Requests()); n != 0 {
				t.Errorf("%d requests before anybody used the template", n)
			}
			if use {
				fork, err := img.Fork(reg.Host+"/app", nil)
				if err != nil {
					return err
				}
				fork.Save(at("line 9"), nil)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if saved := slices.Contains(reg.Tags("app"), "latest"); saved != use {
			t.Errorf("used %t, saved %t", use, saved)
		}
	}
}

// TestOneDigestForAll: jobs, modification times and modes do not matter.
func TestOneDigestForAll(t *testing.T) {
	var first content.Descriptor
	for n, jobs := range []int{1, 2, 16} {
		root := serviceTree(t, 30)
		if err := os.Chtimes(filepath.Join(root, "svc3/main"), time.Now(), time.Unix(int64(n*1000), 0)); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(root, "svc4/main"), []os.FileMode{0o600, 0o644, 0o664}[n]); err != nil {
			t.Fatal(err)
		}
		_, err := newEngine(t, jobs).Do(t.Context(), &build.Options{Root: root}, func(r *build.Run) error {
			img, err := r.Image(at("line 1"), "scratch", nil)
			if err != nil {
				return err
			}
			l, err := img.AddFiles(at("line 2"), []build.File{{Target: "/", Local: "."}}, nil).NeededBy(at("line 3"), "digest")
			if n == 0 {
				first = l.Descriptor
			} else if l.Descriptor.Digest != first.Digest {
				t.Errorf("jobs %d: %s, want %s", jobs, l.Descriptor.Digest, first.Digest)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
