package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

const ticksPerSecond = 100 // of /proc/PID/stat; the same on every Linux

// serverCPU is what a process has used of the processors, kernel included, in seconds.
func serverCPU(pid int) float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
	user, _ := strconv.ParseInt(string(fields[11]), 10, 64)
	system, _ := strconv.ParseInt(string(fields[12]), 10, 64)
	return float64(user+system) / ticksPerSecond
}

// serverKiB is the resident memory of a process.
func serverKiB(pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	pages, _ := strconv.ParseInt(string(bytes.Fields(data)[1]), 10, 64)
	return pages * int64(os.Getpagesize()) / 1024
}

func ownCPU() float64 {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

// busyCPU is what the whole machine has used of its processors, in seconds.
func busyCPU() float64 {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	var busy float64
	for i, one := range bytes.Fields(line)[1:] {
		if ticks, _ := strconv.ParseFloat(string(one), 64); i < 8 && i != 3 && i != 4 { // not idle
			busy += ticks / ticksPerSecond
		}
	}
	return busy
}

// window is the measured time.
type window struct {
	pid               int
	begun             time.Time
	server, own, busy float64
}

func begin(pid int) window {
	return window{pid, time.Now(), serverCPU(pid), ownCPU(), busyCPU()}
}

// end writes the length of the window in seconds, everyone's shares of one core, and what
// came of the count in a second of the window and in a second of the server's processor.
func (w window) end(f *figures) {
	f.Seconds = time.Since(w.begun).Seconds()
	f.ServerCPU = (serverCPU(w.pid) - w.server) / f.Seconds
	f.LoadCPU = (ownCPU() - w.own) / f.Seconds
	f.OtherCPU = max((busyCPU()-w.busy)/f.Seconds-f.ServerCPU-f.LoadCPU, 0)
	f.PerSecond = float64(f.Count) / f.Seconds
	if f.ServerCPU > 0 {
		f.PerCPU = f.PerSecond / f.ServerCPU
	}
}
