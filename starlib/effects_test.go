package starlib

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.starlark.net/starlark"

	"github.com/imgscript/imgscript/core/build"
)

// TestEffectsAreDeclared: what api.star has is in the table of effects, and the table has nothing else.
func TestEffectsAreDeclared(t *testing.T) {
	a, err := loadAPI()
	must(t, err)
	var names []string
	for _, s := range a.functions {
		names = append(names, s.qualified())
	}
	for _, d := range a.kind("upstream") {
		names = append(names, d.name)
	}
	table := effects()
	for _, name := range names {
		if len(table[name]) == 0 {
			t.Errorf("%s declares no effect", name)
		}
	}
	for name, list := range table {
		if !slices.Contains(names, name) {
			t.Errorf("the table of effects has %s, which api.star does not have", name)
		}
		if slices.Contains(list, effectPure) && len(list) > 1 {
			t.Errorf("%s is declared to be pure and more", name)
		}
		if _, ok := effectScripts()[name]; !ok {
			t.Errorf("no script shows the effects of %s", name)
		}
	}
}

// asked is a policy that remembers what it is asked once a script called begin(), and forbids some of it.
type asked struct {
	mu     sync.Mutex
	begun  bool
	forbid []effect
	seen   map[effect]bool
}

func (a *asked) policy() *build.Policy {
	ask := func(e effect) func(string) error {
		return func(name string) error {
			a.mu.Lock()
			defer a.mu.Unlock()
			if !a.begun {
				return nil
			}
			a.seen[e] = true
			if slices.Contains(a.forbid, e) {
				return fmt.Errorf("%s %s", e, name) // build makes build.ErrPolicy of it
			}
			return nil
		}
	}
	return &build.Policy{Read: ask(effectRead), Net: ask(effectNet), Push: ask(effectPush), Out: ask(effectOut)}
}

func (a *asked) begin(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.begun = true
	return starlark.None, nil
}

// effectScripts call each function behind begin(), so that together they have all of its effects. OUTSIDE is a directory that is not below the root.
func effectScripts() map[string][]string {
	const (
		outsideLayer = `
j = image("scratch", "oci:" + OUTSIDE + "/layers")
l = j.add_files({"/f": custom_file("x")})
j.save().digest
`
		baseLayer = `
d = image(REG + "/base:oci").layers()[0].digest
`
	)
	return map[string][]string{
		"struct":      {`begin(); struct(a = 1)`},
		"json":        {`begin(); json.decode(json.encode({"a": 1}))`},
		"math":        {`begin(); math.floor(1.5)`},
		"module":      {`begin(); module("m", a = 1)`},
		"re.match":    {`begin(); re.match("a", "a")`},
		"re.search":   {`begin(); re.search("a", "a")`},
		"re.findall":  {`begin(); re.findall("a", "a")`},
		"re.sub":      {`begin(); re.sub("a", "b", "a")`},
		"Match.group": {`begin(); re.match("a", "a").group()`}, "Match.groups": {`begin(); re.match("a", "a").groups()`},
		"Match.start": {`begin(); re.match("a", "a").start()`}, "Match.end": {`begin(); re.match("a", "a").end()`},

		"custom_file":    {`begin(); custom_file(file(OUTSIDE + "/f"), size = 2)`},
		"file":           {`begin(); file(OUTSIDE + "/f")`},
		"whiteout":       {`begin(); whiteout()`},
		"opaque":         {`begin(); opaque()`},
		"var":            {`begin(); var("greeting", "hello")`},
		"secret":         {`begin(); secret("pw")`},
		"read_file":      {`begin(); read_file(OUTSIDE + "/f")`},
		"glob":           {`begin(); glob(OUTSIDE + "/*")`},
		"digest":         {`begin(); digest(file(OUTSIDE + "/f"))`},
		"layer_from_tar": {`begin(); layer_from_tar(file(OUTSIDE + "/tar")).digest`},
		"fetch":          {`begin(); fetch(FILES + "/text", sha256 = SHA256).digest`},
		"auth":           {`begin(); auth(REG + "/x")`, `begin(); auth(REG + "/x", options = {"other.example": {"keyFilename": OUTSIDE + "/f"}})`},
		"client": {
			`begin(); client(REG + "/base")`, `begin(); client(REG + "/base", write = True)`,
			`begin(); client(REG + "/base", auth = {"other.example": {"keyFilename": OUTSIDE + "/f"}})`,
		},
		"image": {
			`begin(); image(REG + "/base:oci").layers()`,
			outsideLayer + `begin(); image("oci:" + OUTSIDE + "/layers").layers()`,
			`begin(); image("scratch", auth = {"other.example": {"keyFilename": OUTSIDE + "/f"}})`,
		},
		"index": {
			`begin(); index("oci:x", [REG + "/base:index"]).digest`,
			outsideLayer + `begin(); index("oci:x", ["oci:" + OUTSIDE + "/layers"]).digest`,
		},
		"Index.save": {
			`x = index(REG + "/app", [image("scratch", platform = "linux/arm64")]); begin(); x.save().digest`,
			`x = index("oci:" + OUTSIDE + "/saved", [image("scratch", platform = "linux/arm64")]); begin(); x.save().digest`,
		},

		"Image.add_files": {`i = image("scratch"); begin(); i.add_files({"/f": OUTSIDE + "/f"}).digest; i.layers()`},
		"Image.add_layer": {
			baseLayer + `i = image("scratch", REG + "/base"); begin(); i.add_layer(d); i.layers()`,
			outsideLayer + `i = image("scratch", "oci:" + OUTSIDE + "/layers"); d = l.digest; begin(); i.add_layer(d); i.layers()`,
		},
		"Image.rebase": {
			`i = image(REG + "/base:oci"); i.layers(); begin(); i.rebase(REG + "/base:oci", REG + "/base:docker"); i.layers()`,
			outsideLayer + `i = image("scratch"); i.layers(); begin(); i.rebase("scratch", "oci:" + OUTSIDE + "/layers"); i.layers()`,
		},
		"Image.append": {
			`i = image("scratch"); i.layers(); begin(); i.append(REG + "/base:oci"); i.layers()`,
			outsideLayer + `i = image("scratch"); i.layers(); begin(); i.append("oci:" + OUTSIDE + "/layers"); i.layers()`,
		},
		"Image.flatten":      {`i = image(REG + "/base:oci"); i.layers(); begin(); i.flatten(); i.layers()`},
		"Image.remove_files": {`i = image(REG + "/base:oci"); i.layers(); begin(); i.remove_files("/**").digest; i.layers()`},
		"Image.save": {
			`i = image("scratch", REG + "/app"); begin(); i.save().digest`,
			`i = image("scratch"); begin(); i.save(to = "oci:" + OUTSIDE + "/saved").digest`,
		},
		"Image.sync": {
			`i = image(REG + "/base:oci", REG + "/app"); i.layers(); begin(); i.sync()`,
			`i = image(REG + "/base:oci", "oci:" + OUTSIDE + "/synced"); i.layers(); begin(); i.sync()`,
		},
		"Image.client":           {`i = image(REG + "/base:oci"); i.layers(); begin(); i.client()`, `i = image(REG + "/base:oci"); i.layers(); begin(); i.client(write = True)`},
		"Image.remove_layer":     {`i = image(REG + "/base:oci"); d = i.layers()[0].digest; begin(); i.remove_layer(d); i.layers()`},
		"Image.layers":           {`i = image(REG + "/base:oci"); i.layers(); begin(); i.layers()`},
		"Image.files":            {`i = image(REG + "/base:oci"); i.layers(); begin(); i.files()`},
		"Image.read":             {`i = image(REG + "/base:oci"); i.layers(); begin(); i.read(i.files()[-1].path, raw = True)`},
		"Image.fork":             {`i = image(REG + "/base:oci"); i.layers(); begin(); i.fork().layers()`},
		"Image.on":               {`i = image(REG + "/base:oci"); i.layers(); begin(); i.on("linux/amd64").layers()`},
		"Image.get_env":          {`i = image(REG + "/base:oci"); i.layers(); begin(); i.get_env("PATH")`},
		"Image.get_image_config": {`i = image(REG + "/base:oci"); i.layers(); begin(); i.get_image_config()`},
		"Image.get_image_data":   {`i = image(REG + "/base:oci"); i.layers(); begin(); i.get_image_data()`},

		"Client.resolve":     {`c = client(REG + "/base"); begin(); c.resolve("oci")`},
		"Client.manifest":    {`c = client(REG + "/base"); begin(); c.manifest("oci")`},
		"Client.tags":        {`c = client(REG + "/base"); begin(); c.tags()`},
		"Client.blob_exists": {baseLayer + `c = client(REG + "/base"); begin(); c.blob_exists(d)`},
		"Client.blob":        {baseLayer + `c = client(REG + "/base"); begin(); c.blob(d)`, baseLayer + `c = client(REG + "/base"); begin(); c.blob(d, stream = True).digest`},
		"Client.referrers":   {`c = client(REG + "/base"); d = c.resolve("oci"); begin(); c.referrers(d)`},
		"Client.mount":       {baseLayer + `c = client(REG + "/app", write = True); begin(); c.mount(d, "base")`},
		"Client.copy_blob":   {baseLayer + `c = client(REG + "/app", write = True); begin(); c.copy_blob(d, "base")`},
		"Client.delete":      {`c = client(REG + "/base", write = True); d = c.resolve("oci"); begin(); c.delete(d)`},
		"Client.upload":      {`c = client(REG + "/app", write = True); begin(); c.upload(file(OUTSIDE + "/f"))`},
		"Client.manifest_upload": {
			`c = client(REG + "/base", write = True); m = c.manifest("oci", raw = True); begin(); c.manifest_upload("again", m)`,
			`c = client(REG + "/base", write = True); begin(); c.manifest_upload("again", file(OUTSIDE + "/manifest"), media_type = "application/vnd.oci.image.index.v1+json")`,
		},
	}
}

// TestEffects calls each function under policies: the policy is asked for the declared effects and no others, each of which can be forbidden.
func TestEffects(t *testing.T) {
	for name, scripts := range effectScripts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			declared := slices.DeleteFunc(slices.Clone(effects()[name]), func(e effect) bool { return e == effectPure })
			all := map[effect]bool{}
			for _, script := range scripts {
				seen, err := runAsked(t, script, others(declared))
				if err != nil {
					t.Errorf("%s\n%v, though all that is declared was allowed", script, err)
				}
				maps.Copy(all, seen)
				for e := range seen {
					if _, err := runAsked(t, script, []effect{e}); !errors.Is(err, build.ErrPolicy) || kindOf(err) != KindPolicy {
						t.Errorf("%s\nwithout %s: %v", script, e, err)
					}
				}
			}
			if got := slices.Sorted(maps.Keys(all)); !slices.Equal(got, slices.Sorted(slices.Values(declared))) {
				t.Errorf("the policy was asked for %v, declared are %v", got, declared)
			}
		})
	}
}

func others(declared []effect) []effect {
	all := []effect{effectRead, effectNet, effectPush, effectOut}
	return slices.DeleteFunc(all, func(e effect) bool { return slices.Contains(declared, e) })
}

// runAsked runs a script under a policy that forbids some effects, and returns those that it was asked for.
func runAsked(t *testing.T, script string, forbid []effect) (map[effect]bool, error) {
	t.Helper()
	w := newWorld(t, script)
	outside := t.TempDir()
	for name, data := range map[string]string{
		"f": "x\n", "tar": strings.Repeat("\x00", 1024), "manifest": `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`,
	} {
		must(t, writeTestFile(filepath.Join(outside, name), []byte(data)))
	}
	a := &asked{forbid: forbid, seen: map[effect]bool{}}
	w.opts.Policy = a.policy()
	maps.Copy(w.opts.Predeclared, starlark.StringDict{
		"begin": starlark.NewBuiltin("begin", a.begin), "OUTSIDE": starlark.String(outside),
		"SHA256": starlark.String(fmt.Sprintf("%x", sha256.Sum256([]byte("fetched\n")))),
	})
	_, err := w.run(t.Context(), "proj/build.star", script)
	if !a.begun {
		t.Errorf("%s\ndid not begin: %v", script, err)
	}
	return a.seen, err
}
