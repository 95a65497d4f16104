// Package inspect says what images are and how two of them differ, as data that a program can use and JSON that others can read.
//
// [Read] reads what a reference names: an index with all its images, one image, or whatever else a registry keeps as a manifest. [Compare] compares two of them, platform by platform: what their
// configs say, their layers, and their files.
//
// Both read from a [content.Fetcher], such as the one that build.Run.Look returns, and need its manifests and configs alone unless files are asked for.
//
// # JSON
//
// The JSON of [Document] and [Diff] is a format that others read: no name in it is changed or removed, others may be added, and what has no value is left out.
//
// # Texts of others
//
// What images say of themselves (annotations, labels, how layers were made, names of files) is here as they say it. Who shows it to people has to look after characters that a terminal obeys.
package inspect
