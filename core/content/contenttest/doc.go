// Package contenttest holds stores to the promises of package content: one suite for memory, layouts, archives, the cache and registries.
//
// A package that implements a store calls it from a test of its own, with a function that makes a new, empty store:
//
//	func TestConformance(t *testing.T) {
//		contenttest.TestStore(t, func(t *testing.T) content.Store { return newStore(t) }, nil)
//		contenttest.TestRepository(t, func(t *testing.T) content.Repository { return newStore(t) }, nil)
//		contenttest.TestIngester(t, func(t *testing.T) content.Ingester { return newStore(t) })
//	}
//
// The function is called for every check, from the check's own goroutine, and cleans up through t.Cleanup. Goroutines that a store leaves
// behind are for the calling package's goleak to find; what the suite opens it closes, and it counts file descriptors where the
// system shows them.
//
// [Image] and [Index] write small images for other tests.
package contenttest
