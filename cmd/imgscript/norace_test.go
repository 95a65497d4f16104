//go:build !race

package main

// raceDetector is 1 under the race detector and 0 without it.
const raceDetector = 0
