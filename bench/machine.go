//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// machine is where results come from. Results of two machines are not put together.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory string `json:"memory"`
	Kernel string `json:"kernel"`
	System string `json:"system"`
}

var (
	cpuModel    = regexp.MustCompile(`(?m)^model name\s*: (.*)$`)
	memoryTotal = regexp.MustCompile(`(?m)^MemTotal:\s*(\d+) kB$`)
	prettyName  = regexp.MustCompile(`(?m)^PRETTY_NAME="(.*)"$`)
)

func thisMachine() machine {
	kib, _ := strconv.ParseFloat(found(memoryTotal, "/proc/meminfo"), 64) // 0 where there is no such file
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")                // likewise
	return machine{
		CPU:    found(cpuModel, "/proc/cpuinfo"),
		Cores:  runtime.NumCPU(),
		Memory: fmt.Sprintf("%.0f GiB", math.Ceil(kib/(1<<20))),
		Kernel: "Linux " + strings.TrimSpace(string(kernel)),
		System: found(prettyName, "/etc/os-release"),
	}
}

// found is what a pattern finds in a file, or "".
func found(pattern *regexp.Regexp, file string) string {
	data, _ := os.ReadFile(file)
	if m := pattern.FindSubmatch(data); m != nil {
		return strings.TrimSpace(string(m[1]))
	}
	return ""
}

// load is the load of the machine: the processes that wanted a processor, as an average over the last minute.
func loadAverage() float64 {
	data, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(data), " ")
	load, _ := strconv.ParseFloat(first, 64)
	return load
}

// ticks is how many parts of a second Linux counts the time of processors in, for every architecture of Go.
const ticks = 100

// busy is how many seconds all processors together have worked since the machine was started.
func busy() float64 {
	data, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(data), "\n")
	sum := 0.0
	for i, field := range strings.Fields(line) {
		// cpu user nice system idle iowait irq softirq steal guest guest_nice: the last two are in user and nice already, and what is
		// stolen is not there for this machine either.
		if n, err := strconv.ParseFloat(field, 64); err == nil && (i >= 1 && i <= 3 || i >= 6 && i <= 8) {
			sum += n
		}
	}
	return sum / ticks
}

// processTime is how many seconds of processors a process and those of its children that ended have used.
func processTime(pid int) float64 {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, behind, _ := strings.Cut(string(data), ") ") // the name of the program may have blanks
	sum := 0.0
	for i, field := range strings.Fields(behind) {
		if n, err := strconv.ParseFloat(field, 64); err == nil && i >= 11 && i <= 14 { // utime stime cutime cstime
			sum += n
		}
	}
	return sum / ticks
}

var highWater = regexp.MustCompile(`(?m)^VmHWM:\s*(\d+) kB$`)

// processPeak is the most memory that a process had resident since resetPeak, in bytes.
func processPeak(pid int) int64 {
	kib, _ := strconv.ParseInt(found(highWater, fmt.Sprintf("/proc/%d/status", pid)), 10, 64)
	return kib << 10
}

// resetPeak makes the peak of a process what it has resident now.
func resetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// settle waits until the disks have what was written, so that nobody pays for what another one wrote, and then for a second in which fewer processors
// than quiet are busy, but not longer than five minutes. Zero is no limit.
func settle(ctx context.Context, quiet float64) {
	syscall.Sync()
	if quiet == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		before := busy()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if busy()-before < quiet {
			return
		}
	}
}

// warm reads all files below a directory, so that they are in the page cache.
func warm(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(io.Discard, f)
		return err
	})
}
