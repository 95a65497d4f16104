//go:build linux

// Command bench measures imgscript beside its peers, on one machine, in one run.
//
// It makes or fetches the data, builds and installs the tools, starts the registries, and does each job with each tool in turn, round by round, so that what
// slows the machine down for a while slows all of them down. Each tool does a job as its users would, with the commands that stand in the report. What a
// tool made is read back and compared with the files, by code that has nothing to do with imgscript.
//
//	bash bench/run                          # all jobs but those on demand
//	bash bench/run --quick                  # the same with little data, in a minute or two: is all of it working?
//	bash bench/run --runs 9 cold copy-cold  # two jobs
//	bash bench/run --write                  # puts the results into docs/performance.md, README.md and bench/results.json
//	bash bench/run --render --check         # measures nothing: are the bars met?
//
// Everything is below one directory, --dir, which --clean removes. It talks to package registries (Debian's, npm's, Go's) and to loopback.
// BuildKit and buildah have to be root, and what is measured comes from Linux alone.
//
// # What is the same for all
//
// The base image, the registry (distribution, on the file system of --dir), the tree of files, and a page cache that has all of it: the tree is read
// before, and each tool does each job once before the first measurement. A registry is emptied, but for the base, before each cold run; a tool's own
// caches are removed before it, too, but a tool that keeps base images locally has the base there. Disks are synced before each measurement.
package main
