package starlib

import (
	"time"

	"github.com/imgscript/imgscript/core/build"
)

// Limits bound what one run may do. They are guard rails, which stop a mistake before it takes all day or fills the memory, and no security boundary: nothing here bounds the
// memory of the process, for one. Who runs scripts of people that are not to be trusted bounds the process itself, with a container, a cgroup or a user of its own.
//
// The zero value is the defaults; a negative number is no limit. Going beyond one is an error that is a [build.ErrLimit], at the place where the script was; what was saved before
// stays, as after any failure.
type Limits struct {
	// Steps are those of the computation, over all files of the run; 0 is 10⁹, which takes about ten seconds. Built-ins count the work that they do: a step stands for
	// some nanoseconds.
	Steps int64
	// Time is that of the whole run, by the clock; 0 is no limit.
	Time time.Duration
	// CallDepth is how deep calls may be nested; 0 is 200.
	CallDepth int64
	// Modules is the number of files that may be loaded; 0 is 1,000.
	Modules int64
	// SourceBytes is the size of one file of a script; 0 is 16 MiB.
	SourceBytes int64
	// LayerFiles and LayerBytes are those of build.Limits.
	LayerFiles, LayerBytes int64
	// BlobBytes is what one call may bring into the script: of read_file and Client.blob. 0 is 64 MiB, unless max_bytes of the call says otherwise; any other limit
	// holds for those calls too.
	BlobBytes int64
	// JSONBytes is the size of one JSON text, read or written; 0 is 64 MiB.
	JSONBytes int64
	// PrintBytes is what print may print, all calls together; 0 is 16 MiB.
	PrintBytes int64
	// Requests is the number of requests to registries at once: of the engine of a run without Options.Engine, since an engine has its own limit
	// (build.EngineOptions.Requests). More of them wait, so that this is the one limit that is no error. 0 is 64.
	Requests int
}

// The defaults of Limits.
const (
	defaultSteps       = 1_000_000_000
	defaultCallDepth   = 200
	defaultModules     = 1000
	defaultSourceBytes = 16 << 20
	defaultBlobBytes   = 64 << 20
	defaultJSONBytes   = 64 << 20
	defaultPrintBytes  = 16 << 20
)

// withDefaults puts the defaults in the place of zeros, but for BlobBytes, of which it matters whether it was set.
func (l Limits) withDefaults() Limits {
	l.Steps = build.LimitOr(l.Steps, defaultSteps)
	l.CallDepth = build.LimitOr(l.CallDepth, defaultCallDepth)
	l.Modules = build.LimitOr(l.Modules, defaultModules)
	l.SourceBytes = build.LimitOr(l.SourceBytes, defaultSourceBytes)
	l.JSONBytes = build.LimitOr(l.JSONBytes, defaultJSONBytes)
	l.PrintBytes = build.LimitOr(l.PrintBytes, defaultPrintBytes)
	return l
}

// ofRun are the limits that package build keeps.
func (l Limits) ofRun() build.Limits {
	return build.Limits{Time: l.Time, LayerFiles: l.LayerFiles, LayerBytes: l.LayerBytes}
}

// blob is how many bytes one call may read, and whether the run, and not the call by its own max_bytes, says so.
func (l Limits) blob(asked *int64) (limit int64, ofRun bool) {
	limit = build.LimitOr(l.BlobBytes, defaultBlobBytes)
	if asked == nil || l.BlobBytes != 0 && *asked >= limit {
		return limit, true
	}
	return *asked, false
}

func tooLarge(what string, limit int64) error {
	return &build.LimitError{Text: what + " has more than " + build.Bytes(limit), Flag: "--max-blob-bytes"}
}
