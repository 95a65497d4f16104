package build_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/lock"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// noTransport fails a test when anything is sent.
type noTransport struct{ t *testing.T }

// RoundTrip implements http.RoundTripper.
func (n noTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	n.t.Errorf("%s %s", req.Method, req.URL)
	return nil, errors.New("no network")
}

// offlineEngine is an engine with the cache of another one, and no network.
func offlineEngine(t *testing.T, cache string) *build.Engine {
	t.Helper()
	e, err := build.NewEngine(&build.EngineOptions{CacheDir: cache, Jobs: 2, Keychain: auth.Chain(), Transport: noTransport{t}})
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

// TestOffline: what was downloaded once is built again without a network, to the same digests: a changed image, a whole index, and a base by digest.
func TestOffline(t *testing.T) {
	reg := registrytest.New(t, nil)
	pushIndex(reg, "v1", "one", "amd64", "arm64")
	pushIndex(reg, "v2", "two", "amd64", "arm64")
	pinned, _ := pushIndex(reg, "v3", "three", "amd64", "arm64")
	run := func(r *build.Run) error {
		return errors.Join(
			changedTo(reg.Host+"/base:v1", "oci:one", build.ImageOptions{})(r),
			copyTo(reg.Host+"/base:v2", "oci:two")(r),
			changedTo(reg.Host+"/base@"+pinned.Digest.String(), "oci:three", build.ImageOptions{Platform: "linux/arm64"})(r),
		)
	}
	cache := t.TempDir()
	online, err := build.NewEngine(&build.EngineOptions{CacheDir: cache, Jobs: 2, Keychain: auth.Chain()})
	if err != nil {
		t.Fatal(err)
	}
	first, err := locked(t, online, build.LockOptions{File: fileOf(t), Download: true}, run)
	if err := errors.Join(err, online.Close()); err != nil {
		t.Fatal(err)
	}
	reg.Reset()
	f := fileOf(t, first.Lock.Added...)
	for _, mode := range []lock.Mode{lock.Add, lock.Locked} {
		again := mustLocked(t, offlineEngine(t, cache), build.LockOptions{File: f, Mode: mode, Offline: true}, run)
		var got, want []string
		for i := range first.Saved {
			got, want = append(got, again.Saved[i].Reference()), append(want, first.Saved[i].Reference())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	if lines := reg.Lines(); len(lines) > 0 {
		t.Errorf("the registry was asked: %v", lines)
	}
}

// TestOfflineLacks: what a run that is offline can't do is an error with a command, and nothing is sent.
func TestOfflineLacks(t *testing.T) {
	const host = "reg.example.com"
	i, m := content.Descriptor{Digest: d("i"), MediaType: content.OCIIndex}, d("m")
	known := lock.Entry{Reference: host + "/base:v1", Platform: "linux/amd64", Index: i.Digest, Manifest: m, MediaType: i.MediaType}
	download, again := "`imgscript update --download build.star`", "without --offline: `imgscript run build.star`"
	for _, test := range []struct {
		name, line string
		run        func(*build.Run) error
		msg, hint  string
	}{
		{"a locked base", "line 1", changedTo(host+"/base:v1", "oci:out", build.ImageOptions{}), host + "/base@" + i.Digest.String() + " is not in the cache, and the run is offline", download},
		{"a base by digest", "line 1", changedTo(host+"/base:v1@"+m.String(), "oci:out", build.ImageOptions{}), host + "/base@" + m.String() + " is not in the cache, and the run is offline", download},
		{"a base that is not locked", "line 1", changedTo(host+"/base:v2", "oci:out", build.ImageOptions{}), host + "/base:v2 is not in imgscript.lock, and the run is offline", download},
		{"a base that follows its tag", "line 1", changedTo(host+"/base:v1", "oci:out", build.ImageOptions{Unlocked: true}), "what " + host + "/base:v1 stands for is not known, and the run is offline", again},
		{"a target", "", changedTo("scratch", host+"/app:v1", build.ImageOptions{}), "the target " + host + "/app:v1 is in a registry, and the run is offline", again},
		{"a target of a fork", "", func(r *build.Run) error {
			img, err := r.Image(at("line 1"), "scratch", nil)
			if err == nil {
				_, err = img.Fork(host+"/app:v1", nil)
			}
			return err
		}, "the target " + host + "/app:v1 is in a registry", again},
		{"a target of a save", "line 2", func(r *build.Run) error {
			img, err := r.Image(at("line 1"), "scratch", nil)
			if err == nil {
				img.Save(at("line 2"), &build.SaveOptions{To: host + "/app:v1"})
			}
			return err
		}, "the target " + host + "/app:v1 is in a registry", again},
		{"a base in a daemon", "line 1", changedTo("docker-daemon:app:v1", "oci:out", build.ImageOptions{}), "docker-daemon:app:v1 is in a daemon, and the run is offline", again},
		{"a target in a daemon", "", changedTo("scratch", "docker-daemon:app:v1", build.ImageOptions{}), "the target docker-daemon:app:v1 is in a daemon, and the run is offline", again},
		{"a client", "", func(r *build.Run) error { _, err := r.Client(host+"/app", nil, false); return err }, "a client of " + host + "/app speaks to its registry, and the run is offline", again},
		{"credentials", "", func(r *build.Run) error { _, err := r.Credential(host+"/app", nil); return err }, "credentials are for registries", again},
		{"a file", "", func(r *build.Run) error {
			_, err := r.Fetch(at("line 1"), "https://example.com/f?token=secret", build.FetchOptions{SHA256: d("f").Encoded(), Size: -1})
			return err
		}, "https://example.com/f?… is not in the cache, and the run is offline", again},
		{"a file without a digest", "", func(r *build.Run) error {
			_, err := r.Fetch(at("line 1"), "https://example.com/f", build.FetchOptions{})
			return err
		},
			"https://example.com/f is not in the cache, and the run is offline", again},
		{"a layer somewhere", "line 1", func(r *build.Run) error {
			img, err := r.Image(at("line 1"), "scratch", &build.ImageOptions{Target: "oci:out"})
			if err != nil {
				return err
			}
			_, err = img.AddLayerRef(at("line 1"), build.LayerRef{Digest: d("layer"), Size: -1, From: host + "/app", URLs: []string{"https://example.com/layer"}})
			img.Save(at("line 2"), nil)
			return err
		}, "layer@" /* the first place is named */, ""},
		{"a copy", "line 1", func(r *build.Run) error { r.Copy(at("line 1"), host+"/app:v1", "oci:out", nil); return nil }, "what " + host + "/app:v1 stands for is not known", again},
	} {
		t.Run(test.name, func(t *testing.T) {
			opts := build.LockOptions{File: fileOf(t, known), Offline: true, Script: "build.star"}
			_, err := locked(t, offlineEngine(t, t.TempDir()), opts, test.run)
			if test.name == "a layer somewhere" {
				test.msg = host + "/app@" + d("layer").String() + " is not in the cache"
			}
			lockError(t, err, build.ErrOffline, test.line, test.msg, test.hint)
		})
	}
}

// TestOfflineFetch: a file that the cache has is there without a network.
func TestOfflineFetch(t *testing.T) {
	cache := t.TempDir()
	files := registrytest.New(t, nil)
	blob := files.PushBlob("f", []byte("hello\n"))
	read := func(r *build.Run) error {
		file, err := r.Fetch(at("line 1"), "http://"+files.Host+"/v2/f/blobs/"+blob.Digest.String(), build.FetchOptions{SHA256: blob.Digest.Encoded(), Size: -1})
		if err != nil {
			return err
		}
		data, err := r.Read(file, 100)
		if err == nil && string(data) != "hello\n" {
			err = fmt.Errorf("got %q", data)
		}
		return err
	}
	online, err := build.NewEngine(&build.EngineOptions{CacheDir: cache, Keychain: auth.Chain()})
	if err != nil {
		t.Fatal(err)
	}
	_, err = locked(t, online, build.LockOptions{}, read)
	if err := errors.Join(err, online.Close()); err != nil {
		t.Fatal(err)
	}
	mustLocked(t, offlineEngine(t, cache), build.LockOptions{Offline: true}, read)
}

// TestNoNetwork: the transport of a program that is offline sends nothing.
func TestNoNetwork(t *testing.T) {
	reg := registrytest.New(t, nil)
	e, err := build.NewEngine(&build.EngineOptions{Keychain: auth.Chain(), Transport: build.NoNetwork(), Backoff: registry.Backoff{First: 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	_, err = e.Do(t.Context(), &build.Options{Root: t.TempDir()}, copyTo(reg.Host+"/base:v1", "oci:out"))
	if !errors.Is(err, build.ErrOffline) || len(reg.Lines()) > 0 {
		t.Errorf("got %v, and the registry was asked %v", err, reg.Lines())
	}
}
