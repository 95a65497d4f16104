// Package cache keeps blobs and small records in a directory of the user, for later runs and for other processes.
//
// A [Cache] is a [content.Store] and a [content.Ingester]: layers are built into it, bases are kept in it. Its directory holds
//
//	blobs/sha256/ab/abcdef…   blobs, by digest
//	records/BUCKET/ab/abc…    records: small values under keys, each with a checksum
//	tmp/                      what is being written
//	runs/                     a file for each run that is under way
//	guard                     the lock of who removes something
//	size                      how large the cache is, roughly
//
// # What may happen to it
//
// Any number of processes may use one directory at once, be killed at any moment, or meet a full disk. A blob or a record appears under its name
// whole or not at all; two writers of one blob write the same bytes and the last one stays. Nothing is synced to the disk, so a
// power failure may leave a damaged file.
//
// What is damaged is a miss, never an error: the first time that this process asks for a blob that it has not written, the file
// is hashed whole; if it is not what its name says, it is removed, [Cache.Fetch] says [content.ErrNotFound], [Cache.Exists] says
// no, and [Cache.Push] writes it anew. What is read later is verified while it is read, as every store does. Hashing costs about a
// second for two gigabytes, once a process and blob.
//
// # Its size
//
// [Cache.Trim], at the end of a run, keeps the cache below a limit: blobs and records go that were not used for the longest time. The last use is the file's
// time of modification, set at most once an hour. While a run calls [Cache.Hold], no process removes what it used, or may have used. [Cache.Prune] and
// [Cache.Verify] are for people.
//
// # Blobs in flight
//
// [Cache.Begin] makes a [Pending]: a blob that one goroutine writes while others read what is there already and wait for
// the rest. That is how a layer is uploaded while it is being built.
//
// Secrets never come here. Files have mode 0600 and directories 0700.
package cache
