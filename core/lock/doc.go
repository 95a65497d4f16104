// Package lock reads and writes imgscript.lock, which says what the tags that scripts start from stood for when they were locked, so that every run starts
// from the same images until somebody says otherwise.
//
// # The file
//
// It is one JSON object with a member a line, sorted:
//
//	{
//	  "docker.io/library/alpine:3 linux/amd64": {"index": "sha256:…", "manifest": "sha256:…", "media_type": "application/vnd.oci.image.index.v1+json"},
//	  "reg.example.com/base:v1 linux/amd64": {"manifest": "sha256:…", "media_type": "application/vnd.oci.image.manifest.v1+json"},
//	  "reg.example.com/tools:v7 all": {"index": "sha256:…", "media_type": "application/vnd.oci.image.index.v1+json"},
//	  "version": 1
//	}
//
// The name of an entry is a reference in full, with its tag, and a platform, or "all" for an image that is used whole and not for one platform. "index" is what the tag named, and "manifest"
// what that index has for the platform; a tag that named a manifest has no index. "media_type" is that of what the tag named. A tag stands for one thing:
// the entries of a reference for several platforms have the same index.
//
// Since "version" stands last, every entry ends with a comma, and adding one changes no other line: two branches that each lock another image merge unless
// their lines come to stand side by side, and then both lines are kept.
//
// [Parse] takes every layout of that JSON; [File.Bytes] writes this one.
package lock
