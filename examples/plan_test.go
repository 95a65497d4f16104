package examples_test

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"slices"
	"testing"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry/registrytest"
	"github.com/imgscript/imgscript/starlib"
)

// setting is what an example finds: registries, and the options that name them.
type setting struct {
	servers []*registrytest.Server
	opts    starlib.Options
}

// settings make what each example needs.
var settings = map[string]func(t *testing.T) setting{
	"hello.star": func(*testing.T) setting { return setting{} },
	"node.star": func(t *testing.T) setting {
		from, to := registrytest.New(t, nil), registrytest.New(t, nil)
		from.PushImage("node", "lts-slim", registrytest.Image{Layers: []map[string]string{{"/usr/bin/node": "node"}}})
		return setting{[]*registrytest.Server{from, to}, starlib.Options{Vars: map[string]string{"base": from.Host + "/node:lts-slim", "target": to.Host + "/app"}}}
	},
	"copy.star": func(t *testing.T) setting {
		from, to := registrytest.New(t, nil), registrytest.New(t, nil)
		var children []content.Descriptor
		for _, arch := range []string{"amd64", "arm64"} {
			children = append(children, from.PushImage("alpine", "", registrytest.Image{Arch: arch, Layers: []map[string]string{{"/arch": arch}}}).Manifest)
		}
		from.PushIndex("alpine", "3", false, children...)
		return setting{[]*registrytest.Server{from, to}, starlib.Options{Vars: map[string]string{"from": from.Host + "/alpine:3", "to": to.Host + "/mirror/alpine:3"}}}
	},
	"env.star": func(t *testing.T) setting {
		reg := registrytest.New(t, nil)
		reg.PushImage("app", "v1", registrytest.Image{Layers: []map[string]string{{"/app/bin/server": "server"}}})
		return setting{[]*registrytest.Server{reg}, starlib.Options{Vars: map[string]string{"image": reg.Host + "/app:v1"}}}
	},
	"add_layer.star": func(t *testing.T) setting {
		from, to := registrytest.New(t, nil), registrytest.New(t, nil)
		from.PushImage("alpine", "3", registrytest.Image{Layers: []map[string]string{{"/bin/sh": "sh"}}})
		return setting{[]*registrytest.Server{from, to}, starlib.Options{Vars: map[string]string{"base": from.Host + "/alpine:3", "target": to.Host + "/app"}}}
	},
	"two_projects.star": func(t *testing.T) setting {
		reg := registrytest.New(t, &registrytest.Options{
			Auth:  registrytest.AuthBearer,
			Users: map[string]string{"reader": "r-secret", "writer": "w-secret"},
			Rights: []registrytest.Right{
				{User: "reader", Repository: "project1/image", Actions: "pull"}, {User: "writer", Repository: "project2/image", Actions: "pull,push"},
			},
		})
		reg.PushImage("project1/image", "latest", registrytest.Image{Layers: []map[string]string{{"/f": "f"}}})
		secret := func(s string) func(context.Context) ([]byte, error) {
			return func(context.Context) ([]byte, error) { return []byte(s), nil }
		}
		return setting{[]*registrytest.Server{reg}, starlib.Options{
			Vars:    map[string]string{"host": reg.Host},
			Secrets: map[string]func(context.Context) ([]byte, error){"reader": secret("r-secret"), "writer": secret("w-secret")},
		}}
	},
	"services.star": func(t *testing.T) setting {
		reg := registrytest.New(t, nil)
		reg.PushImage("alpine", "3", registrytest.Image{Layers: []map[string]string{{"/bin/sh": "sh"}}})
		return setting{[]*registrytest.Server{reg}, starlib.Options{Vars: map[string]string{"base": reg.Host + "/alpine:3", "registry": reg.Host}}}
	},
	"promote.star": func(t *testing.T) setting {
		reg := registrytest.New(t, nil)
		for _, tag := range []string{"v1.2.0", "v1.10.0"} {
			reg.PushImage("app", tag, registrytest.Image{Layers: []map[string]string{{"/version": tag}}})
		}
		return setting{[]*registrytest.Server{reg}, starlib.Options{Vars: map[string]string{"repository": reg.Host + "/app"}}}
	},
	"whiteout.star": func(t *testing.T) setting {
		from, to := registrytest.New(t, nil), registrytest.New(t, nil)
		from.PushImage("debian", "stable-slim", registrytest.Image{Layers: []map[string]string{{"/etc/motd": "hi"}}})
		return setting{[]*registrytest.Server{from, to}, starlib.Options{Vars: map[string]string{"base": from.Host + "/debian:stable-slim", "target": to.Host + "/slim"}}}
	},
}

// listing is all that is in a directory.
func listing(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			list = append(list, fmt.Sprintf("%s %s %d %d", path, info.Mode(), info.Size(), info.ModTime().UnixNano()))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// report runs an example with an engine of its own.
func report(t *testing.T, dir, name string, jobs int, opts starlib.Options) *build.Report {
	t.Helper()
	engine, err := build.NewEngine(&build.EngineOptions{Keychain: auth.Chain(), Jobs: jobs})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	opts.Root, opts.Engine = dir, engine
	rt, err := starlib.New(&opts)
	if err != nil {
		t.Fatal(err)
	}
	result, err := rt.ExecFile(t.Context(), name, nil)
	if err != nil {
		t.Fatal(err)
	}
	return result.Report
}

// TestPlans: the plan of every example writes nothing, anywhere: its registries are asked and sent nothing, tokens aside, and no file appears or changes. What it says is
// what the run then does, and the next plan is of nothing.
func TestPlans(t *testing.T) {
	scripts, err := filepath.Glob("*.star")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range scripts {
		t.Run(name, func(t *testing.T) {
			make := settings[name]
			if make == nil {
				t.Fatal("there is no setting for it")
			}
			s, dir := make(t), copied(t)
			before := listing(t, dir)
			planning := s.opts
			planning.Plan = true
			planned := report(t, dir, name, 1, planning)
			other := report(t, dir, name, 16, planning)
			equal(t, "the plan of 16 jobs", other.Plan, planned.Plan)
			for _, server := range s.servers {
				for _, r := range server.Requests() {
					if r.Class != registrytest.ClassToken && r.Method != http.MethodGet && r.Method != http.MethodHead {
						t.Errorf("the plan sent %s", r)
					}
				}
			}
			equal(t, "files", listing(t, dir), before)

			did := report(t, dir, name, 2, s.opts)
			if len(planned.Plan.Writes) == 0 {
				t.Fatal("nothing is planned")
			}
			var uploaded, mounted int
			for _, saved := range did.Saved {
				uploaded, mounted = uploaded+saved.Uploaded, mounted+saved.Mounted
			}
			var wouldUpload, wouldMount int
			for _, w := range planned.Plan.Writes {
				if w.Op != "save" {
					continue
				}
				n, _ := w.Count(build.ActionUpload)
				m, _ := w.Count(build.ActionMount)
				wouldUpload, wouldMount = wouldUpload+n, wouldMount+m
				if !slices.ContainsFunc(did.Saved, func(saved build.Saved) bool { return saved.Target == w.Target && saved.Digest == w.Digest }) {
					t.Errorf("%s@%s was planned and not saved", w.Target, w.Digest)
				}
			}
			if name == "two_projects.star" { // a mount is taken to work, and here the one credential does not know the other's repository
				uploaded, mounted = 0, uploaded
			}
			equal(t, "uploaded and mounted", []int{wouldUpload, wouldMount}, []int{uploaded, mounted})
			if name == "env.star" { // it changes what it has made
				return
			}
			for _, w := range report(t, dir, name, 2, planning).Plan.Writes {
				for _, tag := range w.Tags {
					equal(t, "what is left to do for "+w.Target, tag.Old, tag.New)
				}
			}
		})
	}
}
