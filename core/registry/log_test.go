package registry_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// blob is content for uploads.
type blob struct {
	desc content.Descriptor
	data []byte
}

func newBlob(text string) blob {
	return blob{content.Of(content.OctetStream, []byte(text)), []byte(text)}
}

func (b blob) open(ctx context.Context) (io.ReadCloser, error) { return content.FromBytes(b.data)(ctx) }

// pending is a finished blob that is handed out as one still being written.
type pending struct{ blob }

func (p pending) Open(ctx context.Context) (io.ReadCloser, error)      { return p.open(ctx) }
func (p pending) Wait(ctx context.Context) (content.Descriptor, error) { return p.desc, nil }

// lines is the log of a registry with names for digests.
func lines(reg *registrytest.Server, names map[string]digest.Digest) []string {
	all := strings.Join(reg.Lines(), "\n")
	for name, dgst := range names {
		all = strings.ReplaceAll(all, dgst.String()[:len("sha256:")+7], name)
	}
	if all == "" {
		return nil
	}
	return strings.Split(all, "\n")
}

var (
	small = newBlob("small")
	big   = blob{content.Of(content.OctetStream, bytes.Repeat([]byte("x"), 2<<20)), bytes.Repeat([]byte("x"), 2<<20)}
)

// requestTests are jobs and what each sends, request by request.
var requestTests = []struct {
	name   string
	quirks registrytest.Quirks
	run    func(t *testing.T, reg *registrytest.Server, repo *registry.Repository)
	want   []string
}{
	{
		name: "pull",
		run: func(t *testing.T, reg *registrytest.Server, repo *registry.Repository) {
			desc, data, err := repo.Manifest(t.Context(), "v1")
			check(t, err)
			doc, err := content.ParseDocument(desc.MediaType, data)
			check(t, err)
			for _, d := range append([]content.Descriptor{desc}, doc.Children()...) { // the manifest is in memory
				_, err := content.ReadAll(t.Context(), repo, d)
				check(t, err)
			}
		},
		want: []string{"GET app manifest v1 200", "GET app blob CONFIG 200", "GET app blob LAYER 200"},
	},
	{
		name: "pull by digest",
		run: func(t *testing.T, reg *registrytest.Server, repo *registry.Repository) {
			desc, _, _ := reg.Manifest("app", "v1")
			_, _, err := repo.Manifest(t.Context(), desc.Digest.String())
			check(t, err)
		},
		want: []string{"GET app manifest MANIFEST 200"},
	},
	{
		name: "push of a small new blob asks by a mount",
		run: func(t *testing.T, _ *registrytest.Server, repo *registry.Repository) {
			expectTransfer(t, repo, small, nil, content.Uploaded)
		},
		want: []string{"POST app upload mount=SMALL from=app 202", "PUT app session digest=SMALL 201"},
	},
	{
		name: "push of a big new blob asks first",
		run: func(t *testing.T, _ *registrytest.Server, repo *registry.Repository) {
			expectTransfer(t, repo, big, nil, content.Uploaded)
		},
		want: []string{"HEAD app blob BIG 404", "POST app upload 202", "PUT app session digest=BIG 201"},
	},
	{
		name: "push of big blobs where mounts are known to work",
		run: func(t *testing.T, reg *registrytest.Server, repo *registry.Repository) {
			reg.PushBlob("app", small.data)
			expectTransfer(t, repo, small, nil, content.Present)
			expectTransfer(t, repo, big, nil, content.Uploaded)
			expectTransfer(t, repo, big, nil, content.Present)
		},
		want: []string{
			"POST app upload mount=SMALL from=app 201",
			"POST app upload mount=BIG from=app 202", "PUT app session digest=BIG 201",
			"POST app upload mount=BIG from=app 201",
		},
	},
	{
		name:   "a registry that refuses mounts from the target is asked once",
		quirks: registrytest.Quirks{SelfMount: 404},
		run: func(t *testing.T, reg *registrytest.Server, repo *registry.Repository) {
			expectTransfer(t, repo, small, nil, content.Uploaded)
			expectTransfer(t, repo, small, nil, content.Present)
		},
		want: []string{
			"POST app upload mount=SMALL from=app 404", "HEAD app blob SMALL 404", "POST app upload 202", "PUT app session digest=SMALL 201",
			"HEAD app blob SMALL 200",
		},
	},
	{
		name: "push of what is there",
		run: func(t *testing.T, reg *registrytest.Server, repo *registry.Repository) {
			reg.PushBlob("app", small.data)
			expectTransfer(t, repo, small, nil, content.Present)
		},
		want: []string{"POST app upload mount=SMALL from=app 201"},
	},
	{
		name: "push of what this repository is said to have",
		run: func(t *testing.T, reg *registrytest.Server, repo *registry.Repository) {
			reg.PushBlob("app", small.data)
			expectTransfer(t, repo, small, []string{reg.Host + "/base", repo.Location()}, content.Present)
		},
		want: []string{"POST app upload mount=SMALL from=app 201"},
	},
	{
		name: "mount that works",
		run: func(t *testing.T, reg *registrytest.Server, repo *registry.Repository) {
			reg.PushBlob("base", small.data)
			expectTransfer(t, repo, small, []string{"other.example/base", reg.Host + "/base"}, content.Mounted)
		},
		want: []string{"POST app upload mount=SMALL from=base 201"},
	},
	{
		name: "mount from the second candidate gives the first one's session back",
		run: func(t *testing.T, reg *registrytest.Server, repo *registry.Repository) {
			reg.PushBlob("base", small.data)
			expectTransfer(t, repo, small, []string{reg.Host + "/empty", reg.Host + "/base"}, content.Mounted)
		},
		want: []string{"POST app upload mount=SMALL from=empty 202", "POST app upload mount=SMALL from=base 201", "DELETE app session 204"},
	},
	{
		name: "mount that misses uses the session",
		run: func(t *testing.T, reg *registrytest.Server, repo *registry.Repository) {
			expectTransfer(t, repo, small, []string{reg.Host + "/base"}, content.Uploaded)
		},
		want: []string{"POST app upload mount=SMALL from=base 202", "PUT app session digest=SMALL 201"},
	},
	{
		name:   "mount refused for a big blob that is there",
		quirks: registrytest.Quirks{RefuseMount: true},
		run: func(t *testing.T, reg *registrytest.Server, repo *registry.Repository) {
			reg.PushBlob("app", big.data)
			expectTransfer(t, repo, big, []string{reg.Host + "/base"}, content.Present)
		},
		want: []string{"POST app upload mount=BIG from=base 202", "HEAD app blob BIG 200", "DELETE app session 204"},
	},
	{
		name: "one tag",
		run: func(t *testing.T, reg *registrytest.Server, repo *registry.Repository) {
			desc, data, _ := reg.Manifest("app", "v1")
			check(t, content.PushTagged(t.Context(), repo, desc, content.FromBytes(data), []string{"v2"}))
		},
		want: []string{"PUT app manifest v2 201"},
	},
	{
		name: "several tags",
		run: func(t *testing.T, reg *registrytest.Server, repo *registry.Repository) {
			desc, data, _ := reg.Manifest("app", "v1")
			check(t, content.PushTagged(t.Context(), repo, desc, content.FromBytes(data), []string{"v2", "v3"}))
		},
		want: []string{"PUT app manifest MANIFEST 201", "PUT app manifest v2 201", "PUT app manifest v3 201"},
	},
	{
		name: "tag of what was resolved",
		run: func(t *testing.T, reg *registrytest.Server, repo *registry.Repository) {
			desc, err := repo.Resolve(t.Context(), "v1")
			check(t, err)
			check(t, repo.Tag(t.Context(), desc, "v2"))
		},
		want: []string{"GET app manifest v1 200", "PUT app manifest v2 201"},
	},
	{
		name: "tag of what was only seen",
		run: func(t *testing.T, reg *registrytest.Server, repo *registry.Repository) {
			desc, err := repo.Head(t.Context(), "v1")
			check(t, err)
			check(t, repo.Tag(t.Context(), desc, "v2"))
		},
		want: []string{"HEAD app manifest v1 200", "GET app manifest MANIFEST 200", "PUT app manifest v2 201"},
	},
	{
		name: "stream",
		run: func(t *testing.T, _ *registrytest.Server, repo *registry.Repository) {
			expectStream(t, repo, big)
		},
		want: []string{"POST app upload 202", "PATCH app session 202", "PUT app session digest=BIG 201"},
	},
	{
		name:   "stream refused, and not tried again",
		quirks: registrytest.Quirks{RefusePatch: 405},
		run: func(t *testing.T, _ *registrytest.Server, repo *registry.Repository) {
			expectStream(t, repo, small)
			expectStream(t, repo, big)
		},
		want: []string{
			"POST app upload 202", "PATCH app session 405", "DELETE app session 204",
			"POST app upload mount=SMALL from=app 202", "PUT app session digest=SMALL 201",
			"HEAD app blob BIG 404", "POST app upload 202", "PUT app session digest=BIG 201",
		},
	},
	{
		name: "upload of known digest and size",
		run: func(t *testing.T, _ *registrytest.Server, repo *registry.Repository) {
			expectUpload(t, repo, small, small.desc.Size, small.desc.Digest)
		},
		want: []string{"POST app upload 202", "PUT app session digest=SMALL 201"},
	},
	{
		name: "upload of unknown digest",
		run: func(t *testing.T, _ *registrytest.Server, repo *registry.Repository) {
			expectUpload(t, repo, small, -1, "")
		},
		want: []string{"POST app upload 202", "PATCH app session 202", "PUT app session digest=SMALL 201"},
	},
	{
		name: "raw mount",
		run: func(t *testing.T, reg *registrytest.Server, repo *registry.Repository) {
			reg.PushBlob("base", small.data)
			expectMount(t, repo, small, "base", true)
			expectMount(t, repo, big, reg.Host+"/base", false)
		},
		want: []string{"POST app upload mount=SMALL from=base 201", "POST app upload mount=BIG from=base 202", "DELETE app session 204"},
	},
	{
		name: "delete",
		run: func(t *testing.T, _ *registrytest.Server, repo *registry.Repository) {
			check(t, repo.Delete(t.Context(), "v1"))
			expectIs(t, repo.Delete(t.Context(), "v1"), content.ErrNotFound)
		},
		want: []string{"DELETE app manifest v1 202", "DELETE app manifest v1 404"},
	},
}

// TestRequests pins what each job sends.
func TestRequests(t *testing.T) {
	for _, test := range requestTests {
		t.Run(test.name, func(t *testing.T) {
			reg := registrytest.New(t, &registrytest.Options{Quirks: test.quirks})
			image := reg.PushImage("app", "v1", registrytest.Image{Layers: []map[string]string{{"/f": strings.Repeat("layer", 1000)}}})
			repo := newClient(t, nil).Repository(reg.Host, "app")
			test.run(t, reg, repo)
			names := map[string]digest.Digest{
				"MANIFEST": image.Manifest.Digest, "CONFIG": image.Config.Digest, "LAYER": image.Layers[0].Digest,
				"SMALL": small.desc.Digest, "BIG": big.desc.Digest,
			}
			if diff := cmp.Diff(test.want, lines(reg, names)); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func expectTransfer(t *testing.T, repo *registry.Repository, b blob, from []string, want content.Transfer) {
	t.Helper()
	got, err := repo.Mount(t.Context(), b.desc, from, b.open)
	check(t, err)
	if got != want {
		t.Errorf("Mount: %s, want %s", got, want)
	}
}

func expectStream(t *testing.T, repo *registry.Repository, b blob) {
	t.Helper()
	got, err := repo.PushPending(t.Context(), content.OCILayerGzip, pending{b})
	check(t, err)
	want := b.desc
	want.MediaType = content.OCILayerGzip
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("PushPending (-want +got):\n%s", diff)
	}
}

func expectUpload(t *testing.T, repo *registry.Repository, b blob, size int64, dgst digest.Digest) {
	t.Helper()
	got, err := repo.Upload(t.Context(), b.open, size, dgst)
	check(t, err)
	if diff := cmp.Diff(b.desc, got); diff != "" {
		t.Errorf("Upload (-want +got):\n%s", diff)
	}
}

func expectMount(t *testing.T, repo *registry.Repository, b blob, from string, want bool) {
	t.Helper()
	got, err := repo.MountFrom(t.Context(), b.desc.Digest, from)
	check(t, err)
	if got != want {
		t.Errorf("MountFrom: %t, want %t", got, want)
	}
}
