// Package layer makes layers: from local files, from files made in memory, and from tar archives that exist.
package layer
