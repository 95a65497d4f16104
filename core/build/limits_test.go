package build_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// transferCounter counts the uploads that are under way at once.
type transferCounter struct {
	mu        sync.Mutex
	now, most int
}

// RoundTrip implements http.RoundTripper. Uploads are made to last, so that they meet.
func (c *transferCounter) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody && strings.Contains(r.URL.Path, "/blobs/uploads/") {
		c.add(1)
		defer c.add(-1)
		select {
		case <-time.After(5 * time.Millisecond):
		case <-r.Context().Done():
		}
	}
	return http.DefaultTransport.RoundTrip(r)
}

func (c *transferCounter) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now += n
	c.most = max(c.most, c.now)
}

// working counts the goroutines that do something on one of an engine's processors.
func working() (n int) {
	buf := make([]byte, 4<<20)
	for _, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		_, frames, _ := strings.Cut(stack, "\n")
		before, _, found := strings.Cut(frames, "github.com/imgscript/imgscript/core/layer.(*Workers).do(")
		if found && before != "" && !strings.Contains(before, "semaphore.(*Weighted)") { // neither about to get a processor nor about to give it back
			n++
		}
	}
	return n
}

// TestLimitsHoldForAllRuns: the processors and the transfers of an engine are those of all its runs together.
func TestLimitsHoldForAllRuns(t *testing.T) {
	const runs, layers, jobs, transfers = 4, 6, 2, 3
	files := map[string]string{}
	noise := make([]byte, 1<<20)
	for i := range runs {
		for k := range layers {
			_, _ = rand.NewChaCha8([32]byte{byte(i), byte(k)}).Read(noise)
			files[fmt.Sprintf("%d/%d/data", i, k)] = string(noise)
		}
	}
	root, reg, counter := tree(t, files), registrytest.New(t, nil), &transferCounter{}
	e, err := build.NewEngine(&build.EngineOptions{Jobs: jobs, Transfers: transfers, Transport: counter, Keychain: auth.Chain()})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()

	most, stop, stopped := 0, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				most = max(most, working())
			}
		}
	}()
	var group errgroup.Group
	for i := range runs {
		group.Go(func() error {
			_, err := e.Do(t.Context(), &build.Options{Root: root}, func(r *build.Run) error {
				img, err := r.Image(at("line 1"), "scratch", &build.ImageOptions{Target: fmt.Sprintf("%s/app%d", reg.Host, i)})
				if err != nil {
					return err
				}
				for k := range layers {
					img.AddFiles(at("line 2"), []build.File{{Target: "/", Local: fmt.Sprintf("%d/%d", i, k)}}, nil)
				}
				img.Save(at("line 3"), nil)
				return nil
			})
			return err
		})
	}
	err = group.Wait()
	close(stop)
	<-stopped
	if err != nil {
		t.Fatal(err)
	}
	if most != jobs {
		t.Errorf("up to %d goroutines built at once, want %d", most, jobs)
	}
	if counter.most != transfers {
		t.Errorf("up to %d uploads were under way at once, want %d", counter.most, transfers)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}
