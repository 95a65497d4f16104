package registrytest_test

import (
	"fmt"
	"log"
	"net/http"

	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// program is a TB for what is no test: it panics where a test would fail, and is cleaned up by hand.
type program struct{ cleanups []func() }

func (p *program) Helper()                           {}
func (p *program) Cleanup(f func())                  { p.cleanups = append(p.cleanups, f) }
func (p *program) Errorf(format string, args ...any) { log.Printf(format, args...) }
func (p *program) Fatalf(format string, args ...any) { log.Panicf(format, args...) }

func (p *program) close() {
	for _, f := range p.cleanups {
		f()
	}
}

// A registry that wants passwords and breaks a blob off once. In a test, t takes the place of p.
func ExampleNew() {
	p := &program{}
	defer p.close()
	reg := registrytest.New(p, &registrytest.Options{
		Auth:   registrytest.AuthBasic,
		Users:  map[string]string{"ann": "secret"},
		Faults: []registrytest.Fault{{Class: registrytest.ClassBlob, Nth: 2, Truncate: 2}},
	})
	blob := reg.PushBlob("app", []byte("hello"))
	for _, password := range []string{"wrong", "secret", "secret"} {
		r, err := http.NewRequest(http.MethodGet, reg.URL+"/v2/app/blobs/"+blob.Digest.String(), nil)
		if err != nil {
			log.Fatal(err)
		}
		r.SetBasicAuth("ann", password)
		resp, err := reg.Client().Do(r)
		if err != nil {
			log.Fatal(err)
		}
		resp.Body.Close()
	}
	for _, r := range reg.Requests() {
		fmt.Println(r, r.User, r.Sent)
	}
	// Output:
	// GET app blob sha256:2cf24db 401 ann 73
	// GET app blob sha256:2cf24db 200 ann 2
	// GET app blob sha256:2cf24db 200 ann 5
}
