//go:build !race

package starlib_test

// raceDetector is 1 under the race detector and 0 without it.
const raceDetector = 0
