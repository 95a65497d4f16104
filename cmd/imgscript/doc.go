// Command imgscript builds and moves container images as a Starlark script says, without Docker, a daemon or root.
//
//	imgscript run build.star
//	imgscript plan build.star
//	imgscript check build.star
//	imgscript copy alpine:3 reg.example.com/mirror/alpine
//	imgscript inspect alpine:3
//	imgscript diff alpine:3.20 alpine:3.21
//	imgscript doc img.add_files
//	imgscript login reg.example.com
//
// The commands and their flags are in its help. This package holds flags, the terminal and exit codes; what a script can do is package starlib's.
//
// stdout carries results alone: a line for each saved or copied image, in program order, those saved before a failure included, a plan, and what login,
// logout, auth explain, check, fmt, doc, stubs and the cache commands tell. stderr carries what scripts print, warnings, progress and errors.
//
// # Exit codes
//
//	0    done
//	1    the script failed: its error, fail(), bad input; check found problems; fmt -d or diff --exit-code found differences; doc knows no such name
//	2    usage: flags, a missing file or function
//	3    a registry or the network failed
//	4    a registry refused the credentials
//	5    the lock, hermeticity or a permission of the run forbids it
//	130  interrupted
package main
