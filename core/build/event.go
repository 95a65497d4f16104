package build

import (
	"time"

	"github.com/opencontainers/go-digest"
)

// EventKind says what an event tells.
type EventKind string

// The kinds of events. A task starts, may move and wait, and ends once: also when it fails, and when the run is cancelled.
const (
	TaskStart    EventKind = "start"
	TaskProgress EventKind = "progress"
	Waiting      EventKind = "waiting" // a registry has a request wait, or it failed and is sent again; of a task, or of none
	TaskEnd      EventKind = "end"
	Warning      EventKind = "warning"
)

// Work is what a task does.
type Work string

// The kinds of work, and how each ends. More may come.
const (
	BaseWork     Work = "base"     // finds out what a base's reference stands for: "found"
	SourceWork   Work = "source"   // finds out what the reference stands for that is copied: "found"
	LayerWork    Work = "layer"    // makes a layer: "built", or "unchanged" if it was made before
	PushWork     Work = "push"     // brings a blob to a repository, a layout or an archive: "uploaded", "mounted" or, if it is there, "present"
	TagWork      Work = "tag"      // sends the manifest when all that it needs is there, under its tags or without one: "tagged"
	DownloadWork Work = "download" // brings a blob of a base into the cache: "downloaded"
	FetchWork    Work = "fetch"    // brings a file from a URL into the cache: "fetched"
	ReadWork     Work = "read"     // reads a layer for what is in it: "read"
	CompressWork Work = "compress" // compresses a layer that Docker stored as it is, for a registry: "built"
	UploadWork   Work = "upload"   // sends what a script gave to a client: "uploaded"
)

// Event tells of something that goes on in a run. What is not said to be of a kind of events is in all of a task, zero elsewhere.
type Event struct {
	Kind EventKind
	Time time.Time // of all kinds

	Task int // the same number in all events of a task, from 1
	What Work
	// Subject is what it is done to: the reference of a base, a source or a tag; the paths of a layer in the image, the name of the archive that it is made of, or the call that makes one of others; the digest of a
	// blob, or the paths of a layer that is sent while it grows; a URL without what may be secret; the name of data.
	Subject string
	Where   string        // where a push or an upload goes, without a tag; "" of other work
	Bytes   int64         // so far; they may be fewer than before, when something is sent from its beginning again
	Total   int64         // -1 while it is not known
	How     string        // of an end without an error: one of those that the kind of work has
	Digest  digest.Digest // of an end: what was found, made or sent, where that is one thing that is known by its digest
	Err     error         // of an end without success
	Stopped bool          // of such an end: it did not fail of its own, but the run was cancelled, or failed elsewhere

	Host   string        // of waiting: the registry, as users write it
	Reason string        // of waiting: why, in a few words without secrets, such as "503 Service Unavailable"
	Delay  time.Duration // of waiting: how long
	Tries  int           // of waiting: how often the request was tried; 0 when the registry has too many and all requests to it are held back

	At   Origin // of a warning
	Text string // of a warning
}

// Name says what a task is about in one line, with short digests: "base reg.example/node:22", "layer /app", "push sha256:0123456789ab to reg.example/app".
func (e Event) Name() string {
	subject := e.Subject
	if dgst := digest.Digest(subject); dgst.Validate() == nil {
		subject = short(dgst)
	}
	name := string(e.What) + " " + subject
	if e.Where != "" {
		name += " to " + e.Where
	}
	return name
}
