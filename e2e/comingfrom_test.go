package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry/registrytest"
	"github.com/imgscript/imgscript/docs/doctest"
)

const comingFrom = "../docs/coming-from.md"

// pair is what the document says of crane: lines of a shell, and what to write instead.
type pair struct {
	line   int
	crane  string
	ours   string // a script, or lines of a shell
	script bool
}

// frames are the commands and scripts in which the rows of a table stand, by its heading: their options at the end of the command, our lines in the script.
var frames = map[string]struct{ crane, script string }{
	"crane append": {"crane append -b reg.example.com/base:v1 -f layer.tar.gz -t reg.example.com/app:v2 ",
		"img = image(\"reg.example.com/base:v1\", \"reg.example.com/app:v2\")\nimg.add_layer(layer_from_tar(file(\"layer.tar.gz\")))\n"},
	"crane mutate": {"crane mutate reg.example.com/app:v1 -t reg.example.com/app:v2 ", "img = image(\"reg.example.com/app:v1\", \"reg.example.com/app:v2\")\n"},
}

// pairs takes them out of the document: a block of crane and the block behind it, and the rows of the tables in frames, of which the last way to write an option is used.
func pairs(t *testing.T) (all []pair) {
	t.Helper()
	text := readFile(t, comingFrom)
	blocks := doctest.Blocks(text)
	for i, b := range blocks {
		if b.Lang != "sh" || !strings.HasPrefix(b.Text, "crane ") {
			continue
		}
		if i+1 == len(blocks) || strings.HasPrefix(blocks[i+1].Text, "crane ") {
			t.Fatalf("%s:%d: what to write instead is missing", comingFrom, b.Line)
		}
		all = append(all, pair{b.Line, b.Text, blocks[i+1].Text, blocks[i+1].Lang == "python"})
	}
	for _, row := range doctest.Rows(text) {
		frame, ok := frames[row.Heading]
		if !ok {
			continue
		}
		options := strings.Split(row.Theirs, "\n")
		script := frame.script + row.Ours + "\n"
		if !strings.Contains(row.Ours, "save(") {
			script += "img.save()\n"
		}
		all = append(all, pair{row.Line, frame.crane + options[len(options)-1], script, true})
	}
	return all
}

// TestComingFromCrane does what the document says in both ways and compares what comes of it: the same tags, images, files and output.
func TestComingFromCrane(t *testing.T) {
	tools(t, "crane")
	all := pairs(t)
	if len(all) < 35 {
		t.Errorf("only %d pairs", len(all))
	}
	for _, p := range all {
		t.Run(fmt.Sprintf("line %d %s", p.line, strings.TrimSpace(p.crane)), func(t *testing.T) {
			t.Parallel()
			b := newBoth(t)
			crane, ours := b.do("crane", p.crane, false), b.do("ours", p.ours, p.script)
			if strings.HasPrefix(p.crane, "crane rebase ") { // it writes Docker's media types, whatever the image had
				for name, image := range crane.images {
					crane.images[name] = ociTypes.Replace(image)
				}
			}
			b.compare(crane, ours)
		})
	}
}

var ociTypes = strings.NewReplacer(content.DockerManifest, content.OCIManifest, content.DockerConfig, content.OCIConfig)

// both is one registry in which crane and imgscript have repositories of their own, with the same images, and for each a directory with the same files.
type both struct {
	*world
	reg    *registrytest.Server
	before map[string]string // digests of what both start with, by "SIDE/REPOSITORY:TAG"
}

// startingPoint has what the document speaks of, but for the index: images on two bases, and one as Debian's are, with whiteouts, an opaque directory, hard links and linked directories.
const startingPoint = `
def link(to):
    return custom_file(type = "symlink", link_path = to)

def start(at):
    bases = {}
    for version in ["v1", "v2"]:
        base = image("scratch", at + "base:" + version)
        base.add_files({"/etc/version": custom_file(version + "\n"), "/etc/motd": custom_file("hello\n")})
        base.env = {"PATH": "/bin", "COLOR": "red"}
        base.cmd = ["/bin/sh"]
        base.labels = {"base": "yes"}
        bases[version] = base.save([version] if version == "v1" else [version, "stable"])

    for tag in ["v1", "old"]:
        app = image(at + "base:v1", at + "app")
        app.annotations = {"org.opencontainers.image.base.name": at + "base:stable", "org.opencontainers.image.base.digest": bases["v1"].digest}
        app.add_files({"/app/server": custom_file(tag, mode = 0o755)}, uid = 1000)
        app.exposed_ports = [8080]
        app.entrypoint = ["/app/server"]
        app.cmd = ["--all"]
        app.save([tag])

    for arch in ["amd64", "arm64", "s390x"]:
        part = image("scratch", at + "part:" + arch, platform = "linux/" + arch)
        part.add_files({"/arch": custom_file(arch)})
        part.save()

    debian = image("scratch", at + "debian:v1")
    debian.add_files({
        "/bin": link("usr/bin"),
        "/lib": link("usr/lib"),
        "/usr/bin/perl": custom_file("perl", mode = 0o755),
        "/usr/bin/perl5.40": custom_file(type = "hardlink", link_path = "/usr/bin/perl"),
        "/usr/bin/su": custom_file("su", mode = 0o4755),
        "/usr/bin/ping": custom_file("ping", mode = 0o755, xattrs = {"security.capability": b"\x01\x00\x00\x02\x00\x20\x00\x00"}),
        "/usr/lib/libc.so.6": custom_file("libc", mode = 0o755),
        "/usr/lib/libc.so": link("libc.so.6"),
        "/usr/share/doc/apt/README": custom_file("read me", mtime = 1700000000),
        "/usr/share/größe/" + "long" * 40: custom_file("a long name"),
        "/etc/motd": custom_file("hello"),
        "/srv/app/conf": custom_file("no directory yet"),
        "/srv/data/old": custom_file("old"),
        "/var/cache/apt/pkgcache.bin": custom_file("cache"),
        "/var/cache/apt/archives/lock": custom_file(""),
        "/var/mail": custom_file(type = "directory", mode = 0o2775, gid = 8),
        "/tmp": custom_file(type = "directory", mode = 0o1777),
    }, parents = True)
    debian.add_files({
        "/etc/motd": whiteout(),
        "/srv/app/conf/awk": link("/usr/bin/mawk"),
        "/usr/share/doc/apt": whiteout(),
        "/usr/lib/libm.so.6": custom_file("libm", mode = 0o755),
        "/var/cache/apt": opaque(),
        "/var/cache/apt/README": custom_file("empty"),
        "/srv/data": custom_file("no directory now"),
    })
    debian.add_files({
        "/usr/bin/su": custom_file("a newer su", mode = 0o4755),
        "/usr/bin/perldoc": custom_file(type = "hardlink", link_path = "/usr/bin/perl"),
        "/home/ann/.profile": custom_file("", uid = 1000, gid = 1000, mode = 0o600),
    })
    debian.save()

start(REG + "/crane/")
start(REG + "/ours/")
`

func newBoth(t *testing.T) *both {
	t.Helper()
	reg := registrytest.New(t, nil)
	b := &both{newWorld(t, map[string]*server{"REG": {host: reg.Host}}), reg, map[string]string{}}
	b.run(startingPoint)
	for _, side := range []string{"crane", "ours"} {
		b.sh("crane", "index", "append", "-m", "$REG/"+side+"/part:amd64", "-m", "$REG/"+side+"/part:arm64", "-t", "$REG/"+side+"/multi:v1")
		for _, name := range []string{"layer", "more"} {
			b.write(side+"/"+name+".tar.gz", tarball(t, name))
		}
	}
	for name, desc := range b.tagged("") {
		b.before[name] = desc
	}
	return b
}

var printed = regexp.MustCompile(`(?m)^build\.star:\d+:\d+: (.*)$`)

// did is what came of one side.
type did struct {
	stdout string // or what a script printed
	files  map[string]string
	images map[string]string
}

// do runs the lines of a shell, or a script, in the directory and with the repositories of a side.
func (b *both) do(side, text string, script bool) did {
	b.t.Helper()
	text = strings.ReplaceAll(text, "reg.example.com", b.reg.Host+"/"+side)
	cmd := exec.Command("sh", "-c", text)
	if script {
		b.write(side+"/build.star", text)
		cmd = exec.Command(program, "run", "build.star", "--progress", "quiet")
	}
	cmd.Dir, cmd.Env = b.path(side), append(b.environment(), "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		b.t.Fatalf("%s: %v\n%s%s", text, err, out, stderr.String())
	}
	d := did{stdout: string(out)}
	if script {
		d.stdout = ""
		for _, m := range printed.FindAllStringSubmatch(stderr.String(), -1) {
			d.stdout += m[1] + "\n"
		}
	}
	d.stdout = b.neutral(side, strings.TrimSpace(d.stdout))
	d.files, d.images = b.files(side), b.images(side)
	return d
}

// neutral writes the name in the document in place of a side's part of the registry.
func (b *both) neutral(side, text string) string {
	return strings.ReplaceAll(text, b.reg.Host+"/"+side, "reg.example.com")
}

// compare finds no difference. What both printed is the same if they did nothing else.
func (b *both) compare(crane, ours did) {
	b.t.Helper()
	sameMaps(b.t, "images", crane.images, ours.images)
	sameMaps(b.t, "files", crane.files, ours.files)
	if len(crane.images)+len(crane.files) == 0 && crane.stdout != ours.stdout && neutralJSON(crane.stdout) != neutralJSON(ours.stdout) {
		b.t.Errorf("crane prints:\n%s\nimgscript prints:\n%s", crane.stdout, ours.stdout)
	}
}

func sameMaps(t *testing.T, what string, crane, ours map[string]string) {
	t.Helper()
	for name, want := range crane {
		got, ok := ours[name]
		switch {
		case !ok:
			t.Errorf("%s: crane makes %s, imgscript does not", what, name)
		case got != want:
			t.Errorf("%s: %s by crane:\n%s\nby imgscript:\n%s", what, name, want, got)
		}
	}
	for name := range ours {
		if _, ok := crane[name]; !ok {
			t.Errorf("%s: imgscript makes %s, crane does not", what, name)
		}
	}
}

// TestWhereCraneIsWrong shows what the document says of files that a layer puts below a link, and of a hard link whose file a later layer replaces.
func TestWhereCraneIsWrong(t *testing.T) {
	tools(t, "crane")
	reg := registrytest.New(t, nil)
	w := newWorld(t, map[string]*server{"REG": {host: reg.Host}})
	w.run(`
img = image("scratch", REG + "/odd:v1")
img.add_files({
    "/lib": custom_file(type = "symlink", link_path = "usr/lib"),
    "/usr/lib/a": custom_file("old"),
    "/usr/lib/b": custom_file(type = "hardlink", link_path = "/usr/lib/a"),
})
img.add_files({"/lib/x": custom_file("x"), "/usr/lib/a": custom_file("new")}, parents = False)
img.save()
`)
	w.sh("crane", "export", "$REG/odd:v1", w.path("crane.tar"))
	export := exec.Command(program, "export", reg.Host+"/odd:v1", w.path("ours.tar"))
	export.Env = w.environment()
	if out, err := export.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	crane, ours := tarLines(t, readFile(t, w.path("crane.tar"))), tarLines(t, readFile(t, w.path("ours.tar")))
	for name, inOurs := range map[string]bool{"/usr/lib/x" + fileLine("x"): true, "/lib/x" + fileLine("x"): false, "/usr/lib/b" + fileLine("old"): true, "/usr/lib/b" + fileLine("new"): false} {
		if slices.Contains(ours, name) != inOurs || slices.Contains(crane, name) == inOurs {
			t.Errorf("%s is by imgscript: %t, by crane: %t", name, slices.Contains(ours, name), slices.Contains(crane, name))
		}
	}
}

// fileLine is the rest of the line of [tarLines] about a file of root's with a content.
func fileLine(content string) string {
	return fmt.Sprintf(" 0 0644 0:0 0 %s", digest.FromString(content))
}

// TestCraneFlags: each flag of crane's commands, as crane itself lists them, is in the document.
func TestCraneFlags(t *testing.T) {
	tools(t, "crane")
	w := newWorld(t, nil)
	text := readFile(t, comingFrom)
	_, section, _ := strings.Cut(text, "\n## crane\n")
	section, _, _ = strings.Cut(section, "\n## ")
	flag := regexp.MustCompile(`(?m)^ +(?:-\w, )?(--[a-z][\w-]*)`)
	commands := []string{"append", "mutate", "rebase", "flatten", "export", "copy", "tag", "digest", "manifest", "config", "ls", "delete", "catalog", "index append", "index filter", "index list",
		"pull", "push", "blob"}
	flags := 0
	for _, command := range commands {
		help := w.sh("crane", append(strings.Fields(command), "--help")...)
		for _, m := range flag.FindAllStringSubmatch(help, -1) {
			flags++
			if m[1] != "--help" && !regexp.MustCompile(regexp.QuoteMeta(m[1])+`\b`).MatchString(section) {
				t.Errorf("crane %s has %s, the document does not", command, m[1])
			}
		}
	}
	if flags < 60 {
		t.Errorf("crane lists %d flags", flags)
	}
}
