package build_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/lock"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestLockedClient: in a run that keeps to its lock, a client reads what may change only in repositories that the run writes to.
func TestLockedClient(t *testing.T) {
	reg := registrytest.New(t, nil)
	v1 := reg.PushImage("app", "v1", layersOf(1)).Manifest
	name := reg.Host + "/app"
	var c *build.Client
	reads := []struct {
		what string
		read func() error
	}{
		{"what " + name + ":v1 stands for", func() error { _, err := c.Resolve(at("line 2"), "v1"); return err }},
		{"what " + name + ":v1 stands for", func() error { _, _, err := c.Manifest(at("line 3"), "v1"); return err }},
		{"the list of the tags of " + name, func() error { _, err := c.Tags(at("line 4")); return err }},
		{"what refers to " + name + "@" + v1.Digest.String(), func() error { _, err := c.Referrers(at("line 5"), v1.Digest, ""); return err }},
	}
	pinned := func() error {
		_, err1 := c.Resolve(at("line 6"), v1.Digest.String())
		_, _, err2 := c.Manifest(at("line 7"), v1.Digest.String())
		_, err3 := c.BlobExists(at("line 8"), v1.Digest)
		return errors.Join(err1, err2, err3)
	}
	client := func(write bool, f func(*build.Run) error) func(*build.Run) error {
		return func(r *build.Run) (err error) {
			if c, err = r.Client(name, nil, write); err != nil {
				return err
			}
			return f(r)
		}
	}
	strict := build.LockOptions{Mode: lock.Locked, Script: "build.star"}
	mustLocked(t, newEngine(t, 2), strict, client(false, func(*build.Run) error {
		for _, test := range reads {
			lockError(t, test.read(), build.ErrLocked, "", test.what+" may change, and this run keeps to its lock", "without --locked: `imgscript run build.star`")
		}
		if len(reg.Lines()) > 0 {
			t.Errorf("the registry was asked: %v", reg.Lines())
		}
		return pinned()
	}))

	all := func() error {
		for _, test := range reads {
			if err := test.read(); err != nil {
				return err
			}
		}
		return pinned()
	}
	saved := changedTo("scratch", name+":v2", build.ImageOptions{})
	mustLocked(t, newEngine(t, 2), strict, client(false, func(r *build.Run) error { return errors.Join(saved(r), all()) }))
	mustLocked(t, newEngine(t, 2), strict, client(true, func(*build.Run) error {
		_, err := c.Upload(at("line 1"), build.BytesBlob("x", []byte("x")), -1, "")
		return errors.Join(err, all())
	}))
	mustLocked(t, newEngine(t, 2), build.LockOptions{File: &lock.File{}}, client(false, func(*build.Run) error { return all() }))
}

// TestTaggedByClient: a base whose tag a client of the run set is what that says, whatever the lock does.
func TestTaggedByClient(t *testing.T) {
	reg := registrytest.New(t, nil)
	index, manifests := pushIndex(reg, "v1", "one", "amd64")
	other, _ := pushIndex(reg, "v2", "two", "amd64")
	amd := entry(reg, "v1", "linux/amd64", index, manifests["amd64"].Digest)
	report := mustLocked(t, newEngine(t, 2), build.LockOptions{File: fileOf(t, amd), Mode: lock.Locked}, func(r *build.Run) error {
		c, err := r.Client(reg.Host+"/base", nil, true)
		if err != nil {
			return err
		}
		desc, data, err := c.Manifest(at("line 1"), other.Digest.String())
		if err != nil {
			return err
		}
		if _, _, err := c.PutManifest("v1", desc.MediaType, data); err != nil {
			return err
		}
		return copyTo(reg.Host+"/base:v1", "oci:out")(r)
	})
	if report.Saved[0].Digest != other.Digest || len(report.Lock.Used) > 0 {
		t.Errorf("saved %s, used %v", report.Saved[0].Digest, report.Lock.Used)
	}
}

// TestHermetic: of the network a hermetic run has the hosts of its lock, and the repositories that it pushes to; what the policy forbids stays forbidden.
func TestHermetic(t *testing.T) {
	reg, target, other := registrytest.New(t, nil), registrytest.New(t, nil), registrytest.New(t, nil)
	index, manifests := pushIndex(reg, "v1", "one", "amd64")
	seeded := other.PushImage("base", "v1", layersOf(1)).Manifest
	opts := build.LockOptions{Mode: lock.Locked, File: fileOf(t, entry(reg, "v1", "linux/amd64", index, manifests["amd64"].Digest))}
	root := t.TempDir()
	onLocked := func(target string) func(*build.Run) error {
		return changedTo(reg.Host+"/base:v1", target, build.ImageOptions{})
	}
	onOther := changedTo(other.Host+"/base@"+seeded.Digest.String(), "oci:out", build.ImageOptions{})
	for _, test := range []struct {
		name string
		may  build.Permissions
		run  func(*build.Run) error
		not  string // what it may not; "" is nothing
	}{
		{"pushes, and what was pushed as a base", build.Permissions{}, func(r *build.Run) error {
			return errors.Join(onLocked(target.Host+"/app:v1")(r), changedTo(target.Host+"/app:v1", target.Host+"/more:v1", build.ImageOptions{})(r))
		}, ""},
		{"a client that writes, of a host that nothing is read from", build.Permissions{Push: []string{target.Host + "/*"}}, func(r *build.Run) error {
			c, err := r.Client(target.Host+"/client", nil, true)
			if err != nil {
				return err
			}
			_, err1 := c.BlobExists(at("line 1"), d("x"))
			_, err2 := c.Upload(at("line 2"), build.BytesBlob("x", []byte("x")), -1, "")
			return errors.Join(err1, err2)
		}, ""},
		{"a push that is not allowed", build.Permissions{Push: []string{reg.Host + "/**"}}, onLocked(target.Host + "/app:v2"), "pushing to " + target.Host + "/app"},
		{"a host that is not allowed", build.Permissions{Net: []string{other.Host}}, onLocked("oci:out"), "requests to " + reg.Host},
		{"a base of another host", build.Permissions{}, onOther, "requests to " + other.Host},
		{"a base of another host that is allowed", build.Permissions{Net: []string{other.Host}}, onOther, "requests to " + other.Host},
		{"a client of another host", build.Permissions{}, func(r *build.Run) error { _, err := r.Client(other.Host+"/base", nil, false); return err }, "requests to " + other.Host},
		{"a file of another host", build.Permissions{}, func(r *build.Run) error {
			_, err := r.Fetch(at("line 1"), "http://"+other.Host+"/f", build.FetchOptions{SHA256: d("f").Encoded(), Size: -1})
			return err
		}, "requests to " + other.Host},
	} {
		policy, err := test.may.Policy(root)
		if err != nil {
			t.Fatal(err)
		}
		_, err = newEngine(t, 2).Do(t.Context(), &build.Options{Root: root, Lock: &opts, Policy: build.Hermetic(policy, []string{reg.Host})}, test.run)
		if test.not == "" && err != nil || test.not != "" && (!errors.Is(err, build.ErrPolicy) || !strings.Contains(err.Error(), test.not)) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.not)
		}
		var hinted interface{ Hint() string }
		if test.not != "" && (!errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), "--allow-")) {
			t.Errorf("%s: %v has no hint", test.name, err)
		}
	}
	if lines := other.Lines(); len(lines) > 0 {
		t.Errorf("the other host was asked: %v", lines)
	}
}
