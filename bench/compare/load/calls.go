package main

import (
	"bytes"
	"fmt"
	"strings"
)

// calls keeps calls in flight on every connection. Each answer must have the bytes that its
// request has, which the echo's messages allow. With a rate there is one call at a time on a
// connection, the connections take turns, and times count from when a call was due.
type calls struct {
	*base
	frames  [][]byte // by slot: the id of a call is its slot and one
	answers [][]byte
	started []int64 // by connection and slot; 0: no call in flight
	flying  int
	ending  bool
	dueAt   int64
	turn    int
}

func newCalls(b *base) *calls {
	s := &calls{base: b, started: make([]int64, len(b.l.conns)*b.t.InFlight)}
	for slot := range b.t.InFlight {
		request := echoRequest(slot+1, strings.Repeat("x", b.t.Size))
		s.answers = append(s.answers, request)
		s.frames = append(s.frames, b.l.speech.call(slot+1, b.t.Method, request))
	}
	b.l.play = s
	return s
}

func (s *calls) message(c *conn, data []byte) {
	if err := s.l.speech.scan(s.l, c, data, s); err != nil {
		s.l.lose(c, err.Error())
	}
}

func (s *calls) closed(c *conn, why string) {
	s.base.closed(c, why)
	for slot := range s.t.InFlight {
		if at := &s.started[c.number*s.t.InFlight+slot]; *at != 0 {
			*at = 0
			s.flying--
			s.figures.Lost++
		}
	}
}

func (s *calls) fire(c *conn, slot int, due int64) {
	s.started[c.number*s.t.InFlight+slot] = due
	s.flying++
	s.l.queue(c, s.frames[slot])
}

func (s *calls) answered(c *conn, id uint64, payload []byte) {
	slot := int(id) - 1
	if slot < 0 || slot >= s.t.InFlight || s.started[c.number*s.t.InFlight+slot] == 0 {
		s.figures.Doubled++
		return
	}
	at := &s.started[c.number*s.t.InFlight+slot]
	if !bytes.Equal(payload, s.answers[slot]) {
		s.figures.Wrong++
	}
	if s.measuring {
		s.figures.Count++
		s.latency.add(s.l.now - *at)
	}
	*at = 0
	s.flying--
	if !s.ending && s.t.Rate == 0 {
		s.fire(c, slot, s.l.now)
	}
}

func (s *calls) failed(c *conn, id uint64, why string) {
	s.base.failed(c, id, why)
	slot := int(id) - 1
	if slot >= 0 && slot < s.t.InFlight && s.started[c.number*s.t.InFlight+slot] != 0 {
		s.started[c.number*s.t.InFlight+slot] = 0
		s.flying--
		if !s.ending && s.t.Rate == 0 && s.figures.Errors < 1000 {
			s.fire(c, slot, s.l.now)
		}
	}
}

// due fires what the rate asks for by now.
func (s *calls) due(now int64) int64 {
	if s.dueAt == 0 {
		s.dueAt = now
	}
	for s.dueAt <= now {
		for range s.l.conns { // the next that is free
			c := s.l.conns[s.turn]
			s.turn = (s.turn + 1) % len(s.l.conns)
			if c.state == live && s.started[c.number*s.t.InFlight] == 0 {
				s.fire(c, 0, s.dueAt)
				s.l.flush(c)
				break
			}
		}
		s.dueAt += seconds(1 / s.t.Rate)
	}
	return s.dueAt
}

func runCalls(b *base) error {
	if b.t.InFlight > 127 {
		return fmt.Errorf("%d calls in flight: at most 127", b.t.InFlight)
	}
	s := newCalls(b)
	if err := s.openAll(s.l.conns); err != nil {
		return err
	}
	settle()
	s.l.tick()
	var due func(int64) int64
	if s.t.Rate > 0 {
		due = s.due
	} else {
		for _, c := range s.l.conns {
			for slot := range s.t.InFlight {
				s.fire(c, slot, s.l.now)
			}
			s.l.flush(c)
		}
	}
	if err := s.spin(seconds(s.t.WarmUp), due); err != nil {
		return err
	}
	if err := s.measure(due); err != nil {
		return err
	}
	s.ending = true
	s.figures.KiBAfter = serverKiB(s.t.PID)
	err := s.drain(func() bool { return s.flying == 0 })
	s.figures.Lost += int64(s.flying)
	s.finish()
	return err
}

// idle opens the connections and lets them be.
type idle struct{ *base }

func (s *idle) message(c *conn, data []byte) {
	if err := s.l.speech.scan(s.l, c, data, s); err != nil {
		s.l.lose(c, err.Error())
	}
}

func runIdle(b *base) error {
	s := &idle{b}
	b.l.play = s
	if err := s.openAll(s.l.conns); err != nil {
		return err
	}
	if err := s.spin(seconds(s.t.WarmUp), nil); err != nil {
		return err
	}
	err := s.measure(nil)
	s.figures.KiBAfter = serverKiB(s.t.PID)
	s.figures.Count = int64(s.live)
	return err
}
