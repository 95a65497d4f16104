package e2e_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// platformsScript makes an image for three platforms, that of this machine among them, of which that can run.
const platformsScript = `
PLATFORMS = ["linux/amd64", "linux/arm64", "linux/arm/v7"]
img = image("scratch", REG + "/team/many:v1", platforms = PLATFORMS, format = FORMAT)
img.add_files({"/app/hello": custom_file("hello from an image\n"), "/app/big": custom_file(b"0123456789" * 500000)})
img.env = {"PATH": "/bin", "HELLO": "world"}
img.cmd = ["/bin/busybox", "cat", "/app/hello"]
for p in img.platforms:
    one = img.on(p)
    one.add_files({"/etc/platform": custom_file(p + "\n")})
    one.env["PLATFORM"] = p
img.on("linux/" + ARCH).add_files({"/bin/busybox": "busybox", "/bin/sh": custom_file(type = "symlink", link_path = "busybox")})
img.save()
`

// TestPlatforms: one script makes an image for three platforms, which others pull, each its own, and run.
func TestPlatforms(t *testing.T) {
	for _, format := range []string{"oci", "docker"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			tools(t, "skopeo", "crane", "buildah", "busybox")
			w := newWorld(t, map[string]*server{"REG": start(t, anyKind)})
			w.busybox()
			many := w.save("FORMAT = '" + format + "'\nARCH = '" + runtime.GOARCH + "'\n" + platformsScript)
			equal(t, "platforms", many.Platforms, []string{"linux/amd64", "linux/arm64", "linux/arm/v7"})
			equal(t, "media type", many.MediaType, map[string]string{
				"oci": "application/vnd.oci.image.index.v1+json", "docker": "application/vnd.docker.distribution.manifest.list.v2+json",
			}[format])
			equal(t, "digest", textDigest(w.sh("skopeo", "inspect", "--raw", "docker://$REG/team/many:v1")), many.Digest)
			w.sh("crane", "validate", "--remote", "$REG/team/many:v1")
			for _, p := range []struct{ name, arch, variant string }{{"linux/amd64", "amd64", ""}, {"linux/arm64", "arm64", ""}, {"linux/arm/v7", "arm", "v7"}} {
				w.checkPlatform(p.name, p.arch, p.variant)
			}
			id := w.buildah("from", "docker://$REG/team/many:v1")
			equal(t, "a program", w.runIn(id, "/bin/busybox", "cat", "/app/hello"), "hello from an image")
			equal(t, "a file of the platform", w.runIn(id, "/bin/busybox", "cat", "/etc/platform"), platformOfMachine())
			if env := w.runIn(id, "/bin/busybox", "env"); !strings.Contains(env, "PLATFORM="+platformOfMachine()+"\n") {
				t.Errorf("the environment is %q", env)
			}
		})
	}
}

func platformOfMachine() string {
	if runtime.GOARCH == "arm" {
		return "linux/arm/v7"
	}
	return "linux/" + runtime.GOARCH
}

// checkPlatform has skopeo pull the image of one platform.
func (w *world) checkPlatform(name, arch, variant string) {
	t := w.t
	t.Helper()
	override := []string{"--override-os", "linux", "--override-arch", arch}
	if variant != "" {
		override = append(override, "--override-variant", variant)
	}
	var config struct {
		Architecture, Variant string
		Config                struct{ Env, Cmd []string }
	}
	decode(t, w.sh("skopeo", append(override, "inspect", "--config", "docker://$REG/team/many:v1")...), &config)
	equal(t, "architecture", config.Architecture+config.Variant, arch+variant)
	equal(t, "env", config.Config.Env, []string{"PATH=/bin", "HELLO=world", "PLATFORM=" + name})
	dir := "pulled-" + arch
	w.sh("skopeo", append(override, "copy", "docker://$REG/team/many:v1", "dir:"+dir)...)
	var manifest struct{ Layers []struct{ Digest string } }
	decode(t, readFile(t, w.path(dir+"/manifest.json")), &manifest)
	if n := len(manifest.Layers); n != 2 && !(n == 3 && name == platformOfMachine()) {
		t.Errorf("%s has %d layers", name, n)
	}
}

// TestPlatformsOfABase changes all platforms of a base that buildah made, with the index that it wrote, and one of them alone.
func TestPlatformsOfABase(t *testing.T) {
	t.Parallel()
	tools(t, "skopeo", "crane", "buildah", "busybox")
	w := newWorld(t, map[string]*server{"REG": start(t, anyKind)})
	w.busybox()
	list := "localhost/list"
	w.buildah("manifest", "create", list)
	for _, arch := range []string{"amd64", "arm64", "s390x"} {
		id := w.buildah("from", "--arch", arch, "scratch")
		w.write("arch/"+arch, arch)
		w.buildah("copy", id, w.path("arch/"+arch), "/etc/arch")
		w.buildah("config", "--arch", arch, id)
		w.buildah("commit", "--manifest", list, id)
	}
	w.buildah("manifest", "push", "--all", list, "docker://$REG/base:v1")
	before := w.index("$REG/base:v1")
	many := w.save(`
img = image(REG + "/base:v1", REG + "/app:v1", platforms = "all")
img.on("linux/arm64").add_files({"/late": custom_file("late")})
img.save()
`)
	equal(t, "platforms", many.Platforms, before.platforms())
	after := w.index("$REG/app:v1")
	for i := range before.Manifests {
		b, a := before.Manifests[i], after.Manifests[i]
		if a.Platform != b.Platform || (a.Digest == b.Digest) == (b.Platform.Architecture == "arm64") {
			t.Errorf("%s: %s became %s for %v", b.Platform.Architecture, b.Digest, a.Digest, a.Platform)
		}
	}
	w.sh("crane", "validate", "--remote", "$REG/app:v1")
	w.sh("skopeo", "copy", "--all", "docker://$REG/app:v1", "oci:copied:v1")
	equal(t, "digest of skopeo's copy", textDigest(w.sh("skopeo", "inspect", "--raw", "oci:copied:v1")), many.Digest)
}

// indexText is what an index says.
type indexText struct {
	Manifests []struct {
		Digest   string
		Platform struct{ OS, Architecture, Variant string }
	}
}

func (w *world) index(ref string) (l indexText) {
	w.t.Helper()
	decode(w.t, w.sh("skopeo", "inspect", "--raw", "docker://"+ref), &l)
	return l
}

func (l indexText) platforms() (names []string) {
	for _, m := range l.Manifests {
		names = append(names, m.Platform.OS+"/"+m.Platform.Architecture)
	}
	return names
}

func textDigest(text string) string { return digest.FromString(text).String() }
