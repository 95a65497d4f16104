//go:build linux

package main

import (
	"context"
	"fmt"
)

// job is something to be done, by several tools in turn.
type job struct {
	name, title string
	about       string // a sentence or two for the report
	onDemand    bool   // only when it is named
	big         bool   // there is room for one tool's data at a time; so no tool does it before it is measured
	times       int    // more measurements than other jobs have by this factor; 0: 1
	cold        bool   // everything that a run leaves behind is removed before the next one
	memory      bool   // it is about memory rather than time

	data    func(ctx context.Context, s *stage) error // makes the data; sets s.tree and s.want, s.source
	change  func(s *stage, round int) error           // changes the data before each round
	restore func(s *stage) error                      // undoes what change did
	verify  func(ctx context.Context, s *stage, r *runner) error
	entries []entry
}

// entry is the way in which a tool does a job.
type entry struct {
	tool   string
	note   string   // what is special about this way
	level  string   // what it compresses with
	daemon string   // runs beside it, as its state is kept
	prime  string   // prepares a tool that has no state, and is not measured
	script string   // is measured
	args   []string // is measured in its place: a program without a shell around it
}

// label is how the entry is called in the report.
func (e *entry) label() string {
	if e.note == "" {
		return e.tool
	}
	return e.tool + ", " + e.note
}

// reference is the name of lines that are no tool but say what a machine can do.
const reference = "reference"

const aboutTree = "A layer with a `node_modules` of real packages and a command are put on a base and pushed."

// jobs are all jobs in the order of the report.
var jobs = []*job{
	{
		name: "cold", title: "Cold build", cold: true, data: treeData, verify: verifyTree,
		about:   aboutTree + " Nothing is left of earlier runs, but tools that keep base images have the base.",
		entries: append(builders(), pigz),
	},
	{
		name: "unchanged", title: "Nothing changed", data: treeData, verify: verifyTree,
		about:   "The same again: no file changed since the last run, and the registry has all of it.",
		entries: append(builders(), gitStatus),
	},
	{
		name: "changed", title: "One small file changed", data: treeData, verify: verifyTree, change: changeFile, restore: restoreFile,
		about:   "A line is added to one file of a few KiB in the middle of the tree before each round.",
		entries: builders(),
	},
	{
		name: "front", title: "One file added at the front", data: treeData, verify: verifyTree, change: addFile, restore: removeFiles,
		about:   "A small file is added before each round whose path sorts before all others, so that everything else of the layer moves.",
		entries: builders(),
	},
	{
		name: "zstd", title: "Cold build with zstd", cold: true, data: treeData, verify: verifyTree,
		about:   aboutTree + " As cold, with zstd where a tool can.",
		entries: zstdBuilders(),
	},
	{
		name: "services", title: "Many services", cold: true, data: servicesData, verify: verifyServices,
		about: "100 images on one base. Two directories of 2,000 and 500 files are the same in all, a third one of about ten files is each one's own. " +
			"Nothing is left of earlier runs.",
		entries: serviceBuilders(),
	},
	{
		name: "copy-cold", title: "Copy to another registry", cold: true, data: layersData, verify: verifyCopy,
		about:   "An image of 10 layers of 64 MiB goes from one registry to another, which has none of it.",
		entries: copiers(),
	},
	{
		name: "copy-warm", title: "Copy what is there already", data: layersData, verify: verifyCopy, times: 2,
		about:   "The same again, where the other registry has the image under its tag.",
		entries: copiers(),
	},
	curve(0, "1,000", false), curve(1, "10,000", false), curve(2, "100,000", false), curve(3, "1,000,000", true),
	{
		name: "memory", title: "Memory for a big file", cold: true, big: true, memory: true, data: bigData, verify: verifyTree,
		about:   "A layer of one file of 5 GiB that does not compress is built and pushed. The number is the peak of the biggest process.",
		entries: builders(),
	},
	{
		name: "startup", title: "Starting up", times: 4, data: func(context.Context, *stage) error { return nil },
		about: "A program that only says its version, and a script without a line.",
		entries: []entry{
			{tool: "imgscript", note: "version", args: []string{"imgscript", "version"}},
			{tool: "imgscript", note: "empty script", args: []string{"imgscript", "run", "$SCRIPTS/empty.star", "--cache-dir", "$STATE/cache"}},
			{tool: "crane", note: "version", args: []string{"crane", "version"}},
			{tool: "regctl", note: "version", args: []string{"regctl", "version"}},
			{tool: "oras", note: "version", args: []string{"oras", "version"}},
			{tool: "skopeo", note: "version", args: []string{"skopeo", "--version"}},
			{tool: "buildah", note: "version", args: []string{"buildah", "--version"}},
			{tool: "buildctl", note: "version", args: []string{"buildctl", "--version"}},
		},
	},
}

// curve is the job of many small files.
func curve(n int, files string, onDemand bool) *job {
	name := []string{"files-1k", "files-10k", "files-100k", "files-1m"}[n]
	data := func(_ context.Context, s *stage) (err error) {
		s.tree, err = s.many(s.size.curve[n])
		return err
	}
	return &job{
		name: name, title: files + " small files", cold: true, onDemand: onDemand, data: data, verify: verifyTree,
		about:   "Files of 2 KiB on average, a hundred to a directory, as cold.",
		entries: pick([]string{"imgscript", "crane", "buildkit"}, pigz),
	}
}

// pick takes the first way of some builders to do something, and more.
func pick(names []string, more ...entry) []entry {
	var picked []entry
	for _, name := range names {
		for _, e := range builders() {
			if e.tool == name {
				picked = append(picked, e)
				break
			}
		}
	}
	return append(picked, more...)
}

var (
	pigz      = entry{tool: reference, note: "`tar | pigz -1 -p2 | sha256sum`", level: "gzip 1", script: `tar -C "$TREE" -cf - app | pigz -1 -p2 | sha256sum`}
	gitStatus = entry{tool: reference, note: "`git status`", prime: `git init -q --bare "$STATE/git"
git="git --git-dir=$STATE/git --work-tree=$TREE -c core.bare=false -c user.name=bench -c user.email=bench@localhost"
$git add -f -A .
$git commit -q -m bench`, args: []string{"git", "--git-dir=$STATE/git", "--work-tree=$TREE", "-c", "core.bare=false", "status", "--porcelain"}}
)

// builders put the tree on the base and push it.
func builders() []entry {
	return []entry{
		{tool: "imgscript", level: "gzip 1", script: imgscriptMake},
		{tool: "crane", level: "gzip 1", script: sortedTar + ` -C "$TREE" -cf "$TMP/layer.tar" app` + "\n" + `crane append -b "$BASE" -f "$TMP/layer.tar" -t "$IMAGE"` + "\n" + craneMutate},
		{tool: "crane", note: "compressed by pigz", level: "gzip 1", script: sortedTar + ` -C "$TREE" -cf - app | pigz -n -1 >"$TMP/layer.tar.gz"` + "\n" +
			`crane append -b "$BASE" -f "$TMP/layer.tar.gz" -t "$IMAGE"` + "\n" + craneMutate},
		{tool: "regctl", level: "gzip 6, default", prime: regctlPlain, script: sortedTar + ` -C "$TREE" -cf "$TMP/layer.tar" app` + "\n" +
			`regctl image mod "$BASE" --create "$IMAGE" --layer-add tar="$TMP/layer.tar" --config-cmd '["node", "/app/index.js"]'`},
		{tool: "buildkit", level: "gzip 6, default", daemon: buildkitDaemon, prime: buildkitPull, script: fmt.Sprintf(buildkitMake, "")},
		{tool: "buildkit", note: "level 1", level: "gzip 1", daemon: buildkitDaemon, prime: buildkitPull,
			script: fmt.Sprintf(buildkitMake, ",compression=gzip,compression-level=1")},
		{tool: "buildah", level: "pgzip, default", prime: buildahPull, script: fmt.Sprintf(buildahMake, "")},
		{tool: "umoci", level: "pgzip, default", prime: umociPull, script: umociMake},
	}
}

// zstdBuilders do the same with zstd.
func zstdBuilders() []entry {
	return []entry{
		{tool: "imgscript", level: "zstd 1", script: imgscriptMake + " --var compression=zstd"},
		{tool: "crane", note: "compressed by zstd", level: "zstd 1", script: sortedTar + ` -C "$TREE" -cf - app | zstd -q -1 -T0 >"$TMP/layer.tar.zst"` + "\n" +
			`crane append -b "$BASE" -f "$TMP/layer.tar.zst" -t "$IMAGE"` + "\n" + craneMutate},
		{tool: "buildkit", level: "zstd 1", daemon: buildkitDaemon, prime: buildkitPull, script: fmt.Sprintf(buildkitMake, ",compression=zstd,compression-level=1")},
		{tool: "buildah", level: "zstd 1", prime: buildahPull, script: fmt.Sprintf(buildahMake, "--compression-format zstd --compression-level 1 ")},
		{tool: reference, note: "`tar | zstd -1 -T2 | sha256sum`", level: "zstd 1", script: `tar -C "$TREE" -cf - app | zstd -q -1 -T2 | sha256sum`},
	}
}

// serviceBuilders make many images.
func serviceBuilders() []entry {
	return []entry{
		{tool: "imgscript", level: "gzip 1", script: imgscriptServices},
		{tool: "crane", level: "gzip 1", script: craneServices},
		{tool: "regctl", level: "gzip 6, default", prime: regctlPlain, script: regctlServices},
		{tool: "buildkit", level: "gzip 6, default", daemon: buildkitDaemon, prime: buildkitPull, script: buildkitServices},
		{tool: "buildah", level: "pgzip, default", prime: buildahPull, script: buildahServices},
	}
}

// copiers copy an image from registry to registry.
func copiers() []entry {
	return []entry{
		{tool: "imgscript", args: []string{"imgscript", "copy", "$SOURCE", "$IMAGE", "--progress", "quiet"}},
		{tool: "crane", args: []string{"crane", "copy", "$SOURCE", "$IMAGE"}},
		{tool: "regctl", prime: regctlPlain, args: []string{"regctl", "image", "copy", "$SOURCE", "$IMAGE"}},
		{tool: "oras", args: []string{"oras", "cp", "--from-plain-http", "--to-plain-http", "$SOURCE", "$IMAGE"}},
		{tool: "skopeo", args: []string{"skopeo", "copy", "-q", "--insecure-policy", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false",
			"docker://$SOURCE", "docker://$IMAGE"}},
	}
}
