package registrytest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imgscript/imgscript/core/registry/registrytest"
)

func TestParseFlags(t *testing.T) {
	got, rest, err := registrytest.ParseFlags(strings.Fields("-profile pulp -quirk close-on-401 -quirk maxBody=1000 -quirk relative-location=false " +
		"-quirk headers=Warning:299 -fault class=blob,method=GET,nth=2,times=-1,status=503,header=Retry-After:7,body=later -fault stall,delay=10ms " +
		"-auth bearer -user ann:a:b -user bob: -right ann:app:pull,push -right :: -latency 5ms -tls -allow-missing reg -x"))
	if err != nil {
		t.Fatal(err)
	}
	quirks, _ := registrytest.Profile("pulp")
	quirks.CloseOn401, quirks.MaxBody, quirks.RelativeLocation, quirks.Headers = true, 1000, false, http.Header{"Warning": {"299"}}
	want := &registrytest.Options{
		Quirks: quirks,
		Faults: []registrytest.Fault{
			{Class: "blob", Method: "GET", Nth: 2, Times: -1, Status: 503, Header: http.Header{"Retry-After": {"7"}}, Body: "later"},
			{Stall: true, Delay: 10 * time.Millisecond},
		},
		Auth: registrytest.AuthBearer, Users: map[string]string{"ann": "a:b", "bob": ""},
		Rights:  []registrytest.Right{{User: "ann", Repository: "app", Actions: "pull,push"}, {}},
		Latency: 5 * time.Millisecond, TLS: true, AllowMissing: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if strings.Join(rest, " ") != "reg -x" {
		t.Errorf("the rest is %q", rest)
	}
	if got, _, _ := registrytest.ParseFlags([]string{"-auth", "basic"}); got.Users["ann"] != "secret" {
		t.Errorf("users %v", got.Users)
	}
	for _, text := range []string{"-profile none", "-quirk none", "-quirk max-body=much", "-quirk forge=x", "-quirk close-on-401=perhaps", "-fault status", "-auth digest",
		"-latency soon", "-none x", "-user", "-fault class=blob,none"} {
		if _, _, err := registrytest.ParseFlags(strings.Fields(text)); err == nil || !strings.HasPrefix(err.Error(), strings.Fields(text)[0]) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
