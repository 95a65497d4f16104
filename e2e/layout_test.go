package e2e_test

import (
	"archive/tar"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tarNames lists the files of an image as crane flattens it, sorted.
func (w *world) tarNames(image string) string {
	w.t.Helper()
	w.sh("crane", "export", image, w.path("export.tar"))
	var names []string
	for r := tar.NewReader(strings.NewReader(readFile(w.t, w.path("export.tar")))); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			w.t.Fatal(err)
		}
		names = append(names, h.Name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// TestLayoutForOthers has skopeo and crane read a layout that the program wrote, with two tags.
func TestLayoutForOthers(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		tools(t, "skopeo", "crane")
		w := newWorld(t, map[string]*server{"REG": start(t, k)})
		all := w.run(`
img = image("scratch", "oci:out:v1")
img.add_files({"/one": custom_file("one\n")})
img.save()
img.add_files({"/two": custom_file("two\n")})
img.save(["v2"])
`)
		w.run(`image("oci:out:v1", "oci:single:v1").save()`)
		var info struct{ Digest string }
		for i, tag := range []string{"v1", "v2"} {
			decode(t, w.sh("skopeo", "inspect", "oci:out:"+tag), &info)
			equal(t, tag, info.Digest, all[i].Digest)
		}
		w.sh("skopeo", "copy", "oci:out:v2", "docker://$REG/skopeo:v2")
		equal(t, "digest by skopeo", strings.TrimSpace(w.sh("crane", "digest", "$REG/skopeo:v2")), all[1].Digest)
		equal(t, "files", w.tarNames("$REG/skopeo:v2"), "one two")
		w.sh("crane", "push", w.path("single"), "$REG/crane:v1")
		equal(t, "digest by crane", strings.TrimSpace(w.sh("crane", "digest", "$REG/crane:v1")), all[0].Digest)
		w.sh("crane", "validate", "--remote", "$REG/crane:v1")
	})
}

// TestLayoutsOfOthers builds on layouts that skopeo, crane and umoci wrote.
func TestLayoutsOfOthers(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		tools(t, "skopeo", "crane", "umoci")
		w := newWorld(t, map[string]*server{"REG": start(t, k)})
		w.write("file", "file\n")
		base := w.save(`
img = image("scratch", REG + "/base:v1")
img.add_files({"/base": custom_file("base\n")})
img.save()
`)
		w.sh("skopeo", "copy", "docker://$REG/base:v1", "oci:skopeo:v1")
		w.sh("crane", "pull", "--format=oci", "$REG/base:v1", w.path("crane"))
		w.sh("umoci", "init", "--layout", w.path("umoci"))
		w.sh("umoci", "new", "--image", w.path("umoci")+":v1")
		w.sh("umoci", "insert", "--image", w.path("umoci")+":v1", w.path("file"), "/base")
		w.sh("umoci", "config", "--image", w.path("umoci")+":v1", "--config.env", "FROM=umoci", "--author", "somebody")
		for name, layout := range map[string]string{"skopeo": "oci:skopeo:v1", "crane": "oci:crane", "umoci": "oci:umoci:v1"} {
			all := w.run(`
image("` + layout + `", REG + "/same/` + name + `:v1").save()
img = image("` + layout + `", REG + "/by/` + name + `:v1")
img.add_files({"/more": "file"})
img.save()
`)
			if name != "umoci" {
				equal(t, "copy from "+layout, all[0].Digest, base.Digest)
			}
			w.sh("crane", "validate", "--remote", "$REG/same/"+name+":v1")
			w.sh("crane", "validate", "--remote", "$REG/by/"+name+":v1")
			equal(t, "files by "+name, w.tarNames("$REG/by/"+name+":v1"), "base more")
		}
		var config struct {
			Author string
			Config struct{ Env []string }
		}
		decode(t, w.sh("crane", "config", "$REG/by/umoci:v1"), &config)
		equal(t, "author and environment", append(config.Config.Env, config.Author), []string{"FROM=umoci", "somebody"})
	})
}

// TestFormat writes the other family of media types than the base has, in both directions, for buildah to run.
func TestFormat(t *testing.T) {
	for _, c := range []struct{ base, format, mediaType string }{
		{"docker", "oci", "application/vnd.oci.image.manifest.v1+json"},
		{"oci", "docker", "application/vnd.docker.distribution.manifest.v2+json"},
	} {
		t.Run(c.base+" to "+c.format, func(t *testing.T) {
			t.Parallel()
			tools(t, "skopeo", "crane", "buildah", "busybox")
			w := newWorld(t, map[string]*server{"REG": start(t, anyKind)})
			w.busybox()
			w.withApp()
			w.run(strings.Replace(baseScript, `"oci:base:v1")`, `REG + "/base:v1", format = "`+c.base+`")`, 1))
			script := strings.Replace(appScript, "image(BASE, TARGET)", `image(REG + "/base:v1", REG + "/team/app", format = "`+c.format+`")`, 1)
			app := w.save(script)
			equal(t, "media type", app.MediaType, c.mediaType)
			w.sh("crane", "validate", "--remote", "$REG/team/app:v1")
			w.sh("skopeo", "copy", "docker://$REG/team/app:v1", "dir:"+filepath.Base(t.Name())[:3])
			w.checkRun("docker://$REG/team/app:v1")
		})
	}
}

// TestRunFromLayout runs an image out of a layout that the program wrote.
func TestRunFromLayout(t *testing.T) {
	t.Parallel()
	tools(t, "buildah", "busybox")
	w := newWorld(t, nil)
	w.busybox()
	w.withApp()
	w.run(baseScript)
	w.run("BASE = 'oci:base:v1'\nTARGET = 'oci:out:v1'" + appScript)
	w.checkRun("oci:out:v1")
}
