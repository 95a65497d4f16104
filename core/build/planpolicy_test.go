package build_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestPlanAsksThePolicy: what a run may not do, its plan must not either.
func TestPlanAsksThePolicy(t *testing.T) {
	to := registrytest.New(t, nil)
	base(t, to)
	root := planRoot(t)
	yes, no := func(string) error { return nil }, func(string) error { return fmt.Errorf("%w: says the test", build.ErrPolicy) }
	for name, test := range map[string]struct {
		policy build.Policy
		run    func(r *build.Run) error
	}{
		"push by a save": {build.Policy{Net: yes, Push: no}, func(r *build.Run) error {
			return withLayer(r, to.Host+"/base:v1", to.Host+"/app:v1", "svc1", nil)
		}},
		"push by a client": {build.Policy{Net: yes, Push: no}, func(r *build.Run) error {
			_, err := r.Client(to.Host+"/app", nil, true)
			return err
		}},
		"a layout": {build.Policy{Net: yes, Out: no}, func(r *build.Run) error {
			return withLayer(r, to.Host+"/base:v1", "oci:out", "svc1", nil)
		}},
		"a host": {build.Policy{Net: no, Push: yes}, func(r *build.Run) error {
			return withLayer(r, "scratch", to.Host+"/app:v1", "svc1", nil)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: root, Plan: true, Policy: &test.policy}, test.run)
			if !errors.Is(err, build.ErrPolicy) {
				t.Errorf("got %v, want ErrPolicy", err)
			}
		})
	}
}

// TestPlanOfForeignLayers: a layer whose bytes are not with its manifest cannot be mounted from there.
func TestPlanOfForeignLayers(t *testing.T) {
	f := newForeign(t)
	f.Handle("files.example", f.give)
	f.src = registrytest.New(t, &registrytest.Options{AllowMissing: true})
	f.Registry("sparse.example", f.src)
	f.push(t, "https://files.example/layer")
	f.src.SetFaults()
	client := registry.New(&registry.Options{Transport: f.Transport()})
	if err := client.Repository("sparse.example", "base").DeleteBlob(t.Context(), f.desc.Digest); err != nil {
		t.Fatal(err)
	}
	run := func(r *build.Run) error { return copyTo("sparse.example/base:v1", "sparse.example/copy:v1")(r) }
	f.src.Reset()
	planned, err := f.engine.Do(t.Context(), &build.Options{Plan: true}, run)
	if err != nil {
		t.Fatal(err)
	}
	wantOnlyReads(t, f.src)
	did, err := f.engine.Do(t.Context(), nil, run)
	if err != nil {
		t.Fatal(err)
	}
	wantPlanned(t, planned.Plan, did)
}

// TestPlanAsksThePolicyOfForeignLayers: a layer that could only be read from a host that is not allowed.
func TestPlanAsksThePolicyOfForeignLayers(t *testing.T) {
	f := newForeign(t)
	f.push(t, "https://files.example/layer")
	policy := &build.Policy{Push: func(string) error { return nil }, Net: func(host string) error {
		if strings.HasPrefix(host, "files.") {
			return fmt.Errorf("%w: says the test", build.ErrPolicy)
		}
		return nil
	}}
	for _, plan := range []bool{true, false} {
		_, err := f.engine.Do(t.Context(), &build.Options{Plan: plan, Policy: policy}, copyTo("src.example/base:v1", "dst.example/copy:v1"))
		if !errors.Is(err, build.ErrPolicy) {
			t.Errorf("plan %t: got %v, want ErrPolicy", plan, err)
		}
	}
}

// TestPlanNeedsToRead: rights to read are enough.
func TestPlanNeedsToRead(t *testing.T) {
	users := map[string]string{"ann": "secret"}
	rights := []registrytest.Right{{User: "ann", Actions: "pull"}}
	for _, mode := range []registrytest.AuthMode{registrytest.AuthBasic, registrytest.AuthBearer} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			to := registrytest.New(t, &registrytest.Options{Auth: mode, Users: users, Rights: rights})
			base(t, to)
			f := func(r *build.Run) error { return withLayer(r, to.Host+"/base:v1", to.Host+"/app:v1", "svc1", nil) }
			keychain, err := auth.Map{to.Host: {Username: "ann", Secret: "secret"}}.Keychain(nil)
			if err != nil {
				t.Fatal(err)
			}
			report, err := newEngineFor(t, 2, keychain).Do(t.Context(), &build.Options{Root: planRoot(t), Plan: true}, f)
			if err != nil || len(report.Plan.Writes) != 1 {
				t.Errorf("%v, %v", report.Plan, err)
			}
			wantOnlyReads(t, to)
		})
	}
}
