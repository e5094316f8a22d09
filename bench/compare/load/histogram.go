package main

import "math/bits"

// histogram counts durations in buckets 1/64 apart: a percentile is right to 1.6 %.
type histogram struct {
	counts [64 * 64]int64
	total  int64
	max    int64
}

func bucket(ns int64) int {
	if ns < 128 {
		return int(max(ns, 0))
	}
	shift := bits.Len64(uint64(ns)) - 7
	return shift<<6 + int(ns>>shift)
}

// edge is the largest duration of a bucket.
func edge(b int) int64 {
	if b < 128 {
		return int64(b)
	}
	shift := b>>6 - 1
	return (int64(b)-int64(shift)<<6+1)<<shift - 1
}

func (h *histogram) add(ns int64) {
	h.counts[bucket(ns)]++
	h.total++
	h.max = max(h.max, ns)
}

// ms is the percentile in milliseconds; 0 of nothing.
func (h *histogram) ms(share float64) float64 {
	if h.total == 0 {
		return 0
	}
	wanted := max(int64(share*float64(h.total)+0.999999), 1)
	for b, count := range h.counts {
		if wanted -= count; wanted <= 0 {
			return float64(min(edge(b), h.max)) / 1e6
		}
	}
	return float64(h.max) / 1e6
}
