package build_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// layersOf is an image of n layers, no two of the same size.
func layersOf(n int) registrytest.Image {
	var layers []map[string]string
	for i := range n {
		layers = append(layers, map[string]string{fmt.Sprint("/f", i): strings.Repeat("x", i)})
	}
	return registrytest.Image{Layers: layers}
}

// tally is the log of registries as a list of "what: how often", without tokens and the challenges that lead to them.
func tally(servers ...*registrytest.Server) (list []string, total int) {
	counts := map[string]int{}
	for _, s := range servers {
		for _, r := range s.Requests() {
			if r.Class != registrytest.ClassToken && r.Status != 401 {
				counts[fmt.Sprintf("%s %s %d", r.Method, r.Class, r.Status)]++
				total++
			}
		}
	}
	for what, n := range counts {
		list = append(list, fmt.Sprintf("%s: %d", what, n))
	}
	slices.Sort(list)
	return list, total
}

// copyTo copies an image.
func copyTo(from, to string) func(*build.Run) error {
	return func(r *build.Run) error {
		img, err := r.Image(at("line 1"), from, &build.ImageOptions{Target: to})
		if err != nil {
			return err
		}
		img.Save(at("line 2"), nil)
		return nil
	}
}

// runFor runs f with an engine of its own that may do everything everywhere.
func runFor(t *testing.T, root string, f func(*build.Run) error, servers ...*registrytest.Server) *build.Report {
	t.Helper()
	everywhere := auth.Map{}
	for _, s := range servers {
		everywhere[s.Host] = auth.Entry{Username: "ann", Secret: "secret"}
	}
	keychain, err := everywhere.Keychain(nil)
	if err != nil {
		t.Fatal(err)
	}
	report, err := newEngineFor(t, 2, keychain).Do(t.Context(), &build.Options{Root: root}, f)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// modes are the ways in which registries ask who it is.
var modes = map[string]registrytest.AuthMode{"open": registrytest.AuthNone, "Basic": registrytest.AuthBasic, "Bearer": registrytest.AuthBearer}

// TestRequests pins what whole runs send, to all registries together.
func TestRequests(t *testing.T) {
	app := func(base, to string, layers int) func(*build.Run) error {
		return func(r *build.Run) error {
			img, err := r.Image(at("line 1"), base, &build.ImageOptions{Target: to})
			if err != nil {
				return err
			}
			for k := range layers {
				img.AddFiles(at("line 2"), []build.File{{Target: "/app", Local: fmt.Sprint("layer", k)}}, nil)
			}
			img.Save(at("line 3"), nil)
			return nil
		}
	}
	root := tree(t, map[string]string{"layer0/f": "0", "layer1/f": "1", "layer2/f": "2"})
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			opts := &registrytest.Options{Auth: mode, Users: map[string]string{"ann": "secret"}}
			from, to := registrytest.New(t, opts), registrytest.New(t, opts)
			from.PushImage("base", "v1", layersOf(10))
			for _, job := range []struct {
				name string
				run  func(*build.Run) error
				most int
				want []string
			}{
				{"copy of 10 layers to an empty repository", copyTo(from.Host+"/base:v1", to.Host+"/copy:v1"), 37, []string{
					"GET blob 200: 11", "GET manifest 200: 1", "HEAD manifest 404: 1", "POST upload 202: 11", "PUT manifest 201: 1", "PUT session 201: 11",
				}},
				{"copy when all is there", copyTo(from.Host+"/base:v1", to.Host+"/copy:v1"), 3, []string{
					"GET blob 200: 1", "GET manifest 200: 1", "HEAD manifest 200: 1",
				}},
				{"a layer on a base of 10 in the same registry", app(from.Host+"/base:v1", from.Host+"/app:v1", 1), 10 + 10, []string{
					"GET blob 200: 1", "GET manifest 200: 1", "GET manifest 404: 1", "POST upload 201: 10", "POST upload 202: 2", "PUT manifest 201: 1", "PUT session 201: 2",
				}},
				{"nothing changed", app(from.Host+"/base:v1", from.Host+"/app:v1", 1), 4, []string{
					"GET blob 200: 1", "GET manifest 200: 2", "HEAD manifest 200: 1",
				}},
				{"another layer in place of it", app(from.Host+"/base:v1", from.Host+"/app:v1", 2), 10, []string{
					"GET blob 200: 1", "GET manifest 200: 2", "POST upload 202: 2", "PUT manifest 201: 1", "PUT session 201: 2",
				}},
				{"push of 4 new blobs", app("scratch", to.Host+"/fresh:v1", 3), 13, []string{
					"GET manifest 404: 1", "POST upload 202: 4", "PUT manifest 201: 1", "PUT session 201: 4",
				}},
			} {
				from.Reset()
				to.Reset()
				runFor(t, root, job.run, from, to)
				got, total := tally(from, to)
				if total > job.most {
					t.Errorf("%s: %d requests, want at most %d", job.name, total, job.most)
				}
				if diff := cmp.Diff(job.want, got); diff != "" {
					t.Errorf("%s: (-want +got):\n%s", job.name, diff)
				}
			}
		})
	}
}

// TestRounds: with 50 ms before each answer, a copy of ten layers waits for at most twelve answers one after the other, those of the transfers included. Each
// request starts when that is possible, but on a busy computer not always: what one of a few tries did is what the program needs at most.
func TestRounds(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			fewest := 0
			for try := 0; try < 5 && (try == 0 || fewest > 12); try++ {
				opts := &registrytest.Options{Latency: 50 * time.Millisecond, Auth: mode, Users: map[string]string{"ann": "secret"}}
				from, to := registrytest.New(t, opts), registrytest.New(t, opts)
				from.PushImage("base", "v1", layersOf(10))
				start := time.Now()
				runFor(t, "", copyTo(from.Host+"/base:v1", to.Host+"/copy:v1"), from, to)
				rounds := registrytest.Rounds(from, to)
				t.Logf("%d rounds, %v", rounds, time.Since(start))
				if try == 0 || rounds < fewest {
					fewest = rounds
				}
			}
			if fewest > 12 {
				t.Errorf("%d rounds, want at most 12", fewest)
			}
		})
	}
}
