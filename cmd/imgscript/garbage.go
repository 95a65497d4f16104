package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

// collectLate lets a short run, such as one that finds everything unchanged, end before its garbage is collected: as usual, a heap of a few MiB would be
// collected every few milliseconds. From the first collection on, at 16 MiB, the heap grows as in any program. GOGC in the environment is left alone.
func collectLate() {
	if os.Getenv("GOGC") != "" {
		return
	}
	usual := debug.SetGCPercent(400) // of the 4 MiB that the runtime begins with
	type sentinel struct{ _ *int }   // with a pointer, since the runtime puts small values without one into one piece of memory
	runtime.AddCleanup(new(sentinel), func(percent int) { debug.SetGCPercent(percent) }, usual)
}
