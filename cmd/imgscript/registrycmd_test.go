package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

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

// registry [-auth basic|bearer] [-latency D] [-stall CLASS] [-status CLASS=CODE] [-deny TAG] NAME: starts a registry on loopback and sets $NAME to its host and
// port, and $any_NAME to another address of it, which is not known as loopback. With -auth, its one user is "ann" with the password "secret". Uploads and manifests are not answered with -stall upload and -stall manifest. The
// tag that -deny names cannot be pushed.
func cmdRegistry(ts *testscript.TestScript, neg bool, args []string) {
	opts := &registrytest.Options{}
	for len(args) > 2 {
		switch word := args[1]; args[0] {
		case "-auth":
			opts.Auth = map[string]registrytest.AuthMode{"basic": registrytest.AuthBasic, "bearer": registrytest.AuthBearer}[word]
			opts.Users = map[string]string{"ann": "secret"}
		case "-latency":
			d, err := time.ParseDuration(word)
			ts.Check(err)
			opts.Latency = d
		case "-stall":
			opts.Faults = append(opts.Faults, registrytest.Fault{Class: registrytest.Class(word), Stall: true, Times: -1})
		case "-status":
			class, code, _ := strings.Cut(word, "=")
			var status int
			_, err := fmt.Sscan(code, &status)
			ts.Check(err)
			opts.Faults = append(opts.Faults, registrytest.Fault{Class: registrytest.Class(class), Status: status, Times: -1})
		case "-deny":
			opts.Faults = append(opts.Faults, registrytest.Fault{Method: "PUT", Match: "/manifests/" + word, Status: 403, Times: -1})
		default:
			ts.Fatalf("registry: %s is unknown", args[0])
		}
		args = args[2:]
	}
	if neg || len(args) != 1 {
		ts.Fatalf("usage: registry [-auth basic|bearer] [-latency D] [-stall CLASS] [-status CLASS=CODE] [-deny TAG] NAME")
	}
	of := ts.Value(registriesKey{}).(*registries)
	server := registrytest.New(of.t, opts)
	if of.all == nil {
		of.all = map[string]*registrytest.Server{}
	}
	of.all[args[0]] = server
	ts.Setenv(args[0], server.Host)
	_, port, _ := strings.Cut(server.Host, ":")
	ts.Setenv("any_"+args[0], "0.0.0.0:"+port)
}

// seed NAME REPOSITORY:TAG [PATH=TEXT…]: puts an image of one layer into a registry.
func cmdSeed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: seed NAME REPOSITORY:TAG [PATH=TEXT…]")
	}
	repository, tag, _ := strings.Cut(args[1], ":")
	files := map[string]string{}
	for _, arg := range args[2:] {
		path, text, _ := strings.Cut(arg, "=")
		files[path] = text
	}
	registryOf(ts, args[0]).PushImage(repository, tag, registrytest.Image{Layers: []map[string]string{files}})
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
