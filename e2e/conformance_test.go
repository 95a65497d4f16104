package e2e_test

import (
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// skips are the tests of the suite that pass over something, each with the reason.
var skips = map[string]string{
	"blob-mount-anonymous": "a mount that does not say from where is the registry's to take or not (distribution-spec, Mounting a blob from another repository)",
}

// TestConformance: the registry for tests is a registry. It passes the suite of the distribution specification, with pull, push, content discovery and content
// management turned on, and with all that is optional or new.
func TestConformance(t *testing.T) {
	for _, test := range []struct {
		name   string
		opts   registrytest.Options
		extra  []string // of the environment
		passed int      // tests of the pinned version
	}{
		{"open", registrytest.Options{}, nil, 787},
		{"Basic", registrytest.Options{Auth: registrytest.AuthBasic}, nil, 787},
		{"Bearer", registrytest.Options{Auth: registrytest.AuthBearer}, nil, 787},
		{"TLS", registrytest.Options{TLS: true}, []string{"OCI_TLS=enabled"}, 787},
		{"manifests that lack something", registrytest.Options{AllowMissing: true}, []string{"OCI_DATA_SPARSE=true"}, 824},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			command := tool(t, "conformance")
			test.opts.Users = map[string]string{"ann": "secret"}
			reg := registrytest.New(t, &test.opts)
			report := conformance(t, command, reg, test.extra)
			for _, one := range report.Tests {
				name := one.Name[strings.LastIndexByte(one.Name, '/')+1:]
				if reason, ok := skips[name]; one.Status != "passed" && (one.Status != "skipped" || !ok) {
					t.Errorf("%s: %s %s: %s", one.Name, one.Status, reason, one.Why)
				}
			}
			if passed := len(report.Tests) - report.count("skipped"); passed != test.passed {
				t.Errorf("%d tests passed, want %d", passed, test.passed)
			}
			t.Logf("%d tests, %d skipped, %d requests", len(report.Tests), report.count("skipped"), len(reg.Requests()))
		})
	}
}

// report is what the suite writes (junit.xml).
type report struct {
	Tests []struct {
		Name   string `xml:"name,attr"`
		Status string `xml:"status,attr"`
		Why    string `xml:"system-out"`
	} `xml:"testsuite>testcase"`
}

func (r *report) count(status string) (n int) {
	for _, one := range r.Tests {
		if one.Status == status {
			n++
		}
	}
	return n
}

// conformance runs the suite against a registry.
func conformance(t *testing.T, command string, reg *registrytest.Server, extra []string) (r report) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(command)
	cmd.Dir = dir
	certificate := filepath.Join(dir, "certificate.pem")
	writeFile(t, certificate, string(reg.Certificate()))
	cmd.Env = append([]string{"OCI_REGISTRY=" + reg.Host, "OCI_TLS=disabled", "OCI_VERSION=dev", "OCI_RESULTS_DIR=" + dir,
		"OCI_USERNAME=ann", "OCI_PASSWORD=secret", "SSL_CERT_FILE=" + certificate}, extra...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(filepath.Join(dir, "junit.xml"))
	if err == nil {
		err = xml.Unmarshal(data, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}
