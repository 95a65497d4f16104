package registry_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestForesee: what Foresee says is what Mount then does, and only Mount changes anything.
func TestForesee(t *testing.T) {
	small := []byte("small")
	for name, test := range map[string]struct {
		data  []byte
		there bool
		from  []string // repositories of the registry
		isNew bool     // IsNew was asked before
		want  content.Transfer
	}{
		"small and missing":            {data: small, want: content.Uploaded},
		"small and there":              {data: small, there: true, want: content.Present},
		"big and missing":              {data: huge, want: content.Uploaded},
		"big and there":                {data: huge, there: true, want: content.Present},
		"elsewhere":                    {data: huge, from: []string{"other"}, want: content.Mounted},
		"elsewhere and there":          {data: huge, there: true, from: []string{"other"}, want: content.Mounted},
		"in this very place":           {data: huge, there: true, from: []string{"other", "app"}, want: content.Present},
		"in a new repository":          {data: huge, isNew: true, want: content.Uploaded},
		"in one without tags":          {data: huge, there: true, isNew: true, want: content.Uploaded},
		"small, in one without tags":   {data: small, there: true, isNew: true, want: content.Present},
		"of another registry":          {data: small, from: nil, want: content.Uploaded},
		"small, elsewhere, many names": {data: small, from: []string{"none", "other"}, want: content.Mounted},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t, nil)
			desc := reg.PushBlob("other", test.data)
			if test.there {
				reg.PushBlob("app", test.data)
			}
			from := []string{"registry.example/other"}
			for _, repository := range test.from {
				from = append(from, reg.Host+"/"+repository)
			}
			client := newClient(t, nil)
			reader := client.ReadOnly().Repository(reg.Host, "app")
			if test.isNew && !reader.IsNew(t.Context()) {
				t.Error("the repository is not new")
			}
			how, err := reader.Foresee(t.Context(), desc, from)
			if err != nil || how != test.want {
				t.Errorf("Foresee: %v, %v; want %v", how, err, test.want)
			}
			for _, r := range reg.Requests() {
				if r.Method != http.MethodGet && r.Method != http.MethodHead {
					t.Errorf("it sent %s", r)
				}
			}
			if writer := client.Repository(reg.Host, "app"); test.isNew {
				writer.IsNew(t.Context())
			}
			how, err = client.Repository(reg.Host, "app").Mount(t.Context(), desc, from, content.FromBytes(test.data))
			if err != nil || how != test.want {
				t.Errorf("Mount: %v, %v; want %v", how, err, test.want)
			}
		})
	}
}

// TestForeseeNeedsToRead: rights to read are enough, none are not.
func TestForeseeNeedsToRead(t *testing.T) {
	users := map[string]string{"reader": "secret", "nobody": "secret"}
	rights := []registrytest.Right{{User: "reader", Repository: "app", Actions: "pull"}}
	for _, mode := range []registrytest.AuthMode{registrytest.AuthBasic, registrytest.AuthBearer} {
		for user, want := range map[string]error{"reader": nil, "nobody": registry.ErrDenied} {
			reg := registrytest.New(t, &registrytest.Options{Auth: mode, Users: users, Rights: rights})
			there, missing := reg.PushBlob("app", []byte("there")), content.Of(content.OctetStream, []byte("missing"))
			keychain, err := auth.Map{reg.Host: {Username: user, Secret: "secret"}}.Keychain(nil)
			check(t, err)
			repo := newClient(t, &registry.Options{Keychain: keychain}).ReadOnly().Repository(reg.Host, "app")
			for desc, how := range map[*content.Descriptor]content.Transfer{&there: content.Present, &missing: content.Uploaded} {
				got, err := repo.Foresee(t.Context(), *desc, nil)
				if !errors.Is(err, want) || err == nil && got != how {
					t.Errorf("auth %v: %s foresees %v, %v; want %v, %v", mode, user, got, err, how, want)
				}
			}
		}
	}
}

// TestForeseeOfNobody: a registry that is not there is an error, what one says in anger is not.
func TestForeseeOfNobody(t *testing.T) {
	reg := registrytest.New(t, nil)
	desc := content.Of(content.OctetStream, []byte("x"))
	reg.SetFaults(registrytest.Fault{Class: registrytest.ClassBlob, Times: -1, Status: 500})
	repo := newClient(t, nil).Repository(reg.Host, "app")
	if how, err := repo.Foresee(t.Context(), desc, nil); err != nil || how != content.Uploaded {
		t.Errorf("500: %v, %v", how, err)
	}
	reg.SetFaults(registrytest.Fault{Class: registrytest.ClassBlob, Times: -1, Drop: true})
	if _, err := repo.Foresee(t.Context(), desc, nil); !errors.Is(err, registry.ErrUnreachable) {
		t.Errorf("cut off: %v, want ErrUnreachable", err)
	}
}

// TestReadOnly: every call that would change something is refused before anything is sent.
func TestReadOnly(t *testing.T) {
	reg := registrytest.New(t, nil)
	image := reg.PushImage("app", "v1", registrytest.Image{})
	blob := content.Of(content.OctetStream, []byte("x"))
	open := content.FromBytes([]byte("x"))
	client := newClient(t, nil).ReadOnly()
	for _, c := range []*registry.Client{client, client.With(auth.Chain())} {
		repo := c.Repository(reg.Host, "app")
		if _, err := repo.Resolve(t.Context(), "v1"); err != nil {
			t.Errorf("resolve: %v", err)
		}
		for name, call := range map[string]func() error{
			"push a blob":     func() error { return repo.Push(t.Context(), blob, open) },
			"push a manifest": func() error { return repo.Push(t.Context(), image.Manifest, content.FromBytes(image.Data)) },
			"put a manifest": func() error {
				_, _, err := repo.PutManifest(t.Context(), "v2", content.OCIManifest, image.Data)
				return err
			},
			"tag":              func() error { return repo.Tag(t.Context(), image.Manifest, "v2") },
			"push tagged":      func() error { return repo.PushTagged(t.Context(), image.Manifest, content.FromBytes(image.Data), "v2") },
			"delete":           func() error { return repo.Delete(t.Context(), "v1") },
			"delete a blob":    func() error { return repo.DeleteBlob(t.Context(), image.Config.Digest) },
			"upload":           func() error { _, err := repo.Upload(t.Context(), open, 1, blob.Digest); return err },
			"upload a stream":  func() error { _, err := repo.Upload(t.Context(), open, -1, ""); return err },
			"mount":            func() error { _, err := repo.MountFrom(t.Context(), image.Config.Digest, "app"); return err },
			"bring":            func() error { _, err := repo.Mount(t.Context(), blob, nil, open); return err },
			"bring by a mount": func() error { _, err := repo.Mount(t.Context(), blob, []string{reg.Host + "/other"}, open); return err },
		} {
			if err := call(); !errors.Is(err, content.ErrUnsupported) {
				t.Errorf("%s: %v, want ErrUnsupported", name, err)
			}
		}
	}
	for _, r := range reg.Requests() {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			t.Errorf("it sent %s", r)
		}
	}
}

// TestReadOnlyLeavesNoTrace: that a reader found a repository to be new does not change what a writer does later, when it may have blobs.
func TestReadOnlyLeavesNoTrace(t *testing.T) {
	reg := registrytest.New(t, nil)
	client := newClient(t, nil)
	if !client.ReadOnly().Repository(reg.Host, "app").IsNew(t.Context()) {
		t.Error("the repository is not new")
	}
	desc := reg.PushBlob("app", huge)
	how, err := client.Repository(reg.Host, "app").Mount(t.Context(), desc, nil, content.FromBytes(huge))
	if err != nil || how != content.Present {
		t.Errorf("got %v, %v; want present", how, err)
	}
}
