package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/atomicfile"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/starlib"
)

// reportVersion is that of the format of reports, which docs/report.md describes. A later format with the same number has what this one has, and perhaps more.
const reportVersion = 1

// reportJSON is a report.
type reportJSON struct {
	Version  int           `json:"version"`
	Script   string        `json:"script"`
	Function string        `json:"function,omitempty"`
	Plan     bool          `json:"plan,omitempty"` // nothing was written: the outputs are those that would be
	Error    *reportError  `json:"error,omitempty"`
	Versions versions      `json:"versions"`
	Options  reportOptions `json:"options"`
	Inputs   []reportInput `json:"inputs"`
	Outputs  []outputJSON  `json:"outputs"`
}

type reportError struct {
	Kind    starlib.Kind `json:"kind"`
	Message string       `json:"message"`
}

// reportOptions are what was asked for beside the script. Those that cannot change what is made, such as --progress, are none of them.
type reportOptions struct {
	Platform string `json:"platform"`
	Epoch    int64  `json:"epoch"` // seconds since 1970
	Jobs     int    `json:"jobs"`  // 0 is all processors; it changes no result
	Locked   bool   `json:"locked,omitempty"`
	Offline  bool   `json:"offline,omitempty"`
	Hermetic bool   `json:"hermetic,omitempty"`
}

type reportInput struct {
	Kind      build.InputKind          `json:"kind"`
	Name      string                   `json:"name"`
	Call      string                   `json:"call,omitempty"`
	Live      bool                     `json:"live,omitempty"`
	Digest    digest.Digest            `json:"digest,omitempty"`
	Size      int64                    `json:"size,omitempty"`
	Value     *string                  `json:"value,omitempty"`
	Manifests map[string]digest.Digest `json:"manifests,omitempty"`
	Count     int                      `json:"count,omitempty"`
	Files     []reportFile             `json:"files,omitempty"`
}

type reportFile struct {
	Name   string        `json:"name"`
	Digest digest.Digest `json:"digest,omitempty"`
	Size   int64         `json:"size,omitempty"`
	Link   string        `json:"link,omitempty"`
}

// writeReport writes the report of a run that is over. failed is nil for one that succeeded.
func (j *job) writeReport(report *build.Report, failed error) error {
	path := j.flags.report.file
	if path == "" {
		return nil
	}
	r := &reportJSON{
		Version: reportVersion, Script: "//" + j.script.name, Function: j.script.function, Plan: j.opts.Plan, Versions: programVersions(), Error: j.reportError(failed),
		Options: j.reportOptions(), Inputs: []reportInput{}, Outputs: []outputJSON{},
	}
	for _, in := range report.Inputs {
		r.Inputs = append(r.Inputs, inputJSON(in))
	}
	for _, s := range report.Saved {
		line, err := savedLine(s)
		if err != nil {
			return err
		}
		r.Outputs = append(r.Outputs, line.outputJSON)
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(r); err != nil {
		return err
	}
	return replaceFile("--report", path, text.Bytes())
}

func (j *job) reportOptions() reportOptions {
	lock := &j.flags.lock
	return reportOptions{j.platform(), j.opts.Epoch.Unix(), j.flags.jobs, lock.locked, lock.offline, lock.hermetic}
}

// platform is the one that indexes are picked by.
func (j *job) platform() string {
	if j.flags.platform == "" {
		return "linux/amd64"
	}
	return j.flags.platform
}

// reportError says what went wrong, without the path of the root, which is another one on every machine.
func (j *job) reportError(err error) *reportError {
	var failed *starlib.Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &failed):
		failed = starlib.Explain(err)
	}
	text := strings.ReplaceAll(failed.Error(), j.script.root+string(filepath.Separator), "//")
	return &reportError{failed.Kind, strings.ReplaceAll(text, j.script.root, "//")}
}

func inputJSON(in build.Input) reportInput {
	r := reportInput{
		Kind: in.Kind, Name: in.Name, Call: in.Op, Live: in.Live, Digest: in.Digest, Size: in.Size, Manifests: in.Manifests, Count: len(in.Files),
	}
	if in.Kind == build.InputVar {
		r.Value = &in.Value
	}
	for _, f := range in.Files {
		r.Files = append(r.Files, reportFile{f.Name, f.Digest, f.Size, f.Link})
	}
	return r
}

// replaceFile puts data in the place of a file that a flag names, whole or not at all.
func replaceFile(flag, path string, data []byte) error {
	root, err := os.OpenRoot(filepath.Dir(path))
	if err == nil {
		defer root.Close()
		err = atomicfile.WriteFile(root, ".", filepath.Base(path), data, 0o644)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", flag, path, reason(err))
	}
	return nil
}

// versions are those that digests depend on.
type versions struct {
	Imgscript  string `json:"imgscript"`
	Go         string `json:"go"`
	Compressor string `json:"compressor"`
}

func programVersions() versions {
	own, compress := buildVersions()
	return versions{own, runtime.Version(), "klauspost/compress " + compress}
}
