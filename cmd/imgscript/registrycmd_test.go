package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// registries are those of one script, by name.
type registries struct {
	t   testing.TB
	all map[string]*registrytest.Server
}

type registriesKey struct{}

func registryOf(ts *testscript.TestScript, name string) *registrytest.Server {
	server := ts.Value(registriesKey{}).(*registries).all[name]
	if server == nil {
		ts.Fatalf("there is no registry %q", name)
	}
	return server
}

// registry [FLAG…] NAME: starts a registry on loopback and sets $NAME to its host and port, and $any_NAME to another address of it, which is not known as
// loopback. The flags are those of registrytest.ParseFlags, such as -profile ecr, -auth bearer, -latency 20ms, -tls, -quirk and -fault, and
// those of faultFlags. With -auth, its one user is "ann" with the password "secret". With -tls, $NAME_ca is a file with its certificate, for SSL_CERT_FILE.
func cmdRegistry(ts *testscript.TestScript, neg bool, args []string) {
	opts, rest, err := registrytest.ParseFlags(faultFlags(args))
	ts.Check(err)
	if neg || len(rest) != 1 {
		ts.Fatalf("usage: registry [FLAG…] NAME")
	}
	name := rest[0]
	of := ts.Value(registriesKey{}).(*registries)
	server := registrytest.New(of.t, opts)
	if of.all == nil {
		of.all = map[string]*registrytest.Server{}
	}
	of.all[name] = server
	ts.Setenv(name, server.Host)
	_, port, _ := strings.Cut(server.Host, ":")
	ts.Setenv("any_"+name, "0.0.0.0:"+port)
	if opts.TLS {
		path := ts.MkAbs(name + ".pem")
		ts.Check(os.WriteFile(path, server.Certificate(), 0o600))
		ts.Setenv(name+"_ca", path)
	}
}

// faultFlags writes the faults that scripts want most as -fault says them: -stall CLASS answers no request of a class, -status CLASS=CODE answers all of them with a
// status, -deny TAG lets nobody push a tag.
func faultFlags(args []string) []string {
	args = slices.Clone(args)
	for i := 0; i+1 < len(args); i++ {
		switch args[i] {
		case "-stall":
			args[i], args[i+1] = "-fault", "stall,times=-1,class="+args[i+1]
		case "-status":
			class, code, _ := strings.Cut(args[i+1], "=")
			args[i], args[i+1] = "-fault", "times=-1,class="+class+",status="+code
		case "-deny":
			args[i], args[i+1] = "-fault", "times=-1,method=PUT,status=403,match=/manifests/"+args[i+1]
		}
	}
	return args
}

// requests [-sort] NAME: writes what the registry was asked since the start, or since this command, to stdout, one line a request, tokens not among them;
// sorted if the order is not the script's to know. Digests are not shown, so that a script need not change with what it builds.
func cmdRequests(ts *testscript.TestScript, neg bool, args []string) {
	sorted := len(args) > 0 && args[0] == "-sort"
	if sorted {
		args = args[1:]
	}
	if neg || len(args) != 1 {
		ts.Fatalf("usage: requests [-sort] NAME")
	}
	server := registryOf(ts, args[0])
	lines := server.Lines()
	server.Reset()
	for i, line := range lines {
		lines[i] = digests.ReplaceAllString(line, "DIGEST")
	}
	if sorted {
		slices.Sort(lines)
	}
	out := ts.Stdout()
	for _, line := range lines {
		fmt.Fprintln(out, line)
	}
}

var digests = regexp.MustCompile(`sha256:[0-9a-f]+`)

// seed [-index ARCH,…] NAME REPOSITORY:TAG [PATH=TEXT…]: puts an image of one layer into a registry, or an index of one for each architecture.
func cmdSeed(ts *testscript.TestScript, neg bool, args []string) {
	var archs []string
	if len(args) > 1 && args[0] == "-index" {
		archs, args = strings.Split(args[1], ","), args[2:]
	}
	if neg || len(args) < 2 {
		ts.Fatalf("usage: seed [-index ARCH,…] NAME REPOSITORY:TAG [PATH=TEXT…]")
	}
	repository, tag, _ := strings.Cut(args[1], ":")
	files := map[string]string{}
	for _, arg := range args[2:] {
		path, text, _ := strings.Cut(arg, "=")
		files[path] = text
	}
	server, layers := registryOf(ts, args[0]), []map[string]string{files}
	if archs == nil {
		server.PushImage(repository, tag, registrytest.Image{Layers: layers})
		return
	}
	var children []content.Descriptor
	for _, arch := range archs {
		child := server.PushImage(repository, "", registrytest.Image{Layers: layers, Arch: arch}).Manifest
		child.Platform = &specs.Platform{OS: "linux", Architecture: arch}
		children = append(children, child)
	}
	server.PushIndex(repository, tag, false, children...)
}

// tags NAME REPOSITORY: writes the tags to stdout, one a line.
func cmdTags(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: tags NAME REPOSITORY")
	}
	out := ts.Stdout() // asked for even if there is no tag: it drops what the last command wrote
	for _, tag := range registryOf(ts, args[0]).Tags(args[1]) {
		fmt.Fprintln(out, tag)
	}
}

// manifest NAME REPOSITORY TAG: writes the manifest, indented, to stdout; config does so with the config, and files lists the entries of all layers.
func cmdManifest(ts *testscript.TestScript, neg bool, args []string) {
	_, _, data := manifestOf(ts, neg, args)
	var out bytes.Buffer
	ts.Check(json.Indent(&out, data, "", "  "))
	fmt.Fprintln(ts.Stdout(), out.String())
}

func cmdConfig(ts *testscript.TestScript, neg bool, args []string) {
	server, doc, _ := manifestOf(ts, neg, args)
	data, ok := server.Blob(args[1], doc.Config.Digest)
	if !ok {
		ts.Fatalf("the config of %s is missing", args[1])
	}
	var out bytes.Buffer
	ts.Check(json.Indent(&out, data, "", "  "))
	fmt.Fprintln(ts.Stdout(), out.String())
}

func cmdFiles(ts *testscript.TestScript, neg bool, args []string) {
	server, doc, _ := manifestOf(ts, neg, args)
	for _, desc := range doc.Layers {
		data, ok := server.Blob(args[1], desc.Digest)
		if !ok {
			ts.Fatalf("layer %s of %s is missing", desc.Digest, args[1])
		}
		plain, err := gzip.NewReader(bytes.NewReader(data))
		ts.Check(err)
		for tr := tar.NewReader(plain); ; {
			header, err := tr.Next()
			if err == io.EOF {
				break
			}
			ts.Check(err)
			fmt.Fprintf(ts.Stdout(), "%s %d:%d %s %s\n", header.FileInfo().Mode(), header.Uid, header.Gid, header.ModTime.UTC().Format(time.RFC3339), header.Name)
		}
	}
}

// imageDoc is what the commands need of a manifest.
type imageDoc struct {
	Config content.Descriptor
	Layers []content.Descriptor
}

func manifestOf(ts *testscript.TestScript, neg bool, args []string) (*registrytest.Server, imageDoc, []byte) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: manifest|config|files NAME REPOSITORY TAG")
	}
	server := registryOf(ts, args[0])
	_, data, ok := server.Manifest(args[1], args[2])
	if !ok {
		ts.Fatalf("%s:%s is not there", args[1], args[2])
	}
	var doc imageDoc
	ts.Check(json.Unmarshal(data, &doc))
	return server, doc, data
}
