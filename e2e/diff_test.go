package e2e_test

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// diffScript makes two images on one base, which differ in every way in which files do.
const diffScript = `
base = image("scratch", "oci:out:base")
base.add_files({
    "/usr/lib/libc": custom_file("libc"), "/lib": custom_file(type = "symlink", link_path = "usr/lib"), "/etc/passwd": custom_file("root"),
    "/var/cache/a": custom_file("a"), "/var/cache/b": custom_file("b"), "/opt/old/x": custom_file("x"), "/opt/same": custom_file("same"),
})
base.add_files({"/linked": "linked"}, hard_links = "keep")
base.save()
for v in ["v1", "v2"]:
    new = v == "v2"
    img = base.fork("oci:out:" + v)
    img.add_files({"/lib/through": custom_file("through the link " + v), "/var/cache/b": whiteout() if new else custom_file("b")}, parents = False)
    img.add_files({"/linked/one": custom_file("its own")} if new else {"/kept": custom_file("")})
    img.add_files({
        "/app/changed": custom_file("22" if new else "1"), "/app/content": custom_file(v), "/app/mode": custom_file("m", mode = 0o4755 if new else 0o644),
        "/app/owner": custom_file("o", uid = 1000 if new else 0, gid = 5 if new else 0), "/app/link": custom_file(type = "symlink", link_path = v),
        "/app/kind": custom_file("a file") if new else custom_file(type = "symlink", link_path = "same"), "/app/only-" + v + "/deep/file": custom_file(v),
    })
    img.add_files({"/opt/old": opaque(), "/opt/old/y": custom_file("y")} if new else {"/opt/old": custom_file("no directory")})
    img.save()
`

// differences lists what differs between the files of two directories as lines.
func differences(old, new map[string]string) (lines []string) {
	for path, what := range old {
		if now, ok := new[path]; !ok {
			lines = append(lines, "removed /"+path)
		} else if now != what {
			lines = append(lines, "changed /"+path)
		}
	}
	for path := range new {
		if _, ok := old[path]; !ok {
			lines = append(lines, "added /"+path)
		}
	}
	slices.Sort(lines)
	return lines
}

// TestDiffUnpacked: diff tells just the differences that there are between the files which umoci unpacks.
func TestDiffUnpacked(t *testing.T) {
	t.Parallel()
	tools(t, "umoci")
	asRoot(t, "unpacking the files of several users")
	w := newWorld(t, nil)
	w.write("linked/one", "linked")
	if err := os.Link(w.path("linked/one"), w.path("linked/two")); err != nil {
		t.Fatal(err)
	}
	w.run(diffScript)
	for _, tag := range []string{"base", "v1", "v2"} {
		w.sh("umoci", "unpack", "--image", "out:"+tag, "bundle-"+tag)
	}
	for _, pair := range [][2]string{{"v1", "v2"}, {"v2", "v1"}, {"base", "v2"}} {
		var diff struct {
			Images []struct {
				Files struct {
					Changes []struct{ Path, Change string }
				}
			}
		}
		decode(t, w.stdout("diff", "--json", "oci:out:"+pair[0], "oci:out:"+pair[1]), &diff)
		var ours []string
		for _, c := range diff.Images[0].Files.Changes {
			ours = append(ours, c.Change+" "+c.Path)
		}
		slices.Sort(ours)
		theirs := differences(unpacked(t, w.path("bundle-"+pair[0]+"/rootfs")), unpacked(t, w.path("bundle-"+pair[1]+"/rootfs")))
		if len(theirs) < 10 {
			t.Errorf("%q: only %d differences", pair, len(theirs))
		}
		equal(t, strings.Join(pair[:], " and "), strings.Join(ours, "\n"), strings.Join(theirs, "\n"))
	}
}
