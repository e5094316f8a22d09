package main

import "testing"

func TestEveryDurationIsInTheBucketThatHoldsIt(t *testing.T) {
	last := -1
	for ns := int64(0); ns < 1<<40; ns = ns + 1 + ns/300 {
		b := bucket(ns)
		if b < last || edge(b) < ns || (b > 0 && edge(b-1) >= ns) {
			t.Fatalf("%d ns: bucket %d up to %d, after %d", ns, b, edge(b), last)
		}
		if error := float64(edge(b)-ns) / float64(ns+1); error > 1.0/64 {
			t.Fatalf("%d ns: wrong by %f", ns, error)
		}
		last = b
	}
}

func TestPercentiles(t *testing.T) {
	var h histogram
	if h.ms(0.5) != 0 {
		t.Error("nothing has no median")
	}
	for i := int64(1); i <= 100; i++ {
		h.add(i * 1e6)
	}
	for share, want := range map[float64]float64{0.5: 50, 0.99: 99, 1: 100} {
		if found := h.ms(share); found < want || found > want*1.016 {
			t.Errorf("%v is %v ms", share, found)
		}
	}
}
