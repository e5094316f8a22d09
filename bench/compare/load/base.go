package main

import (
	"fmt"
	"math"
)

const (
	second = int64(1e9)
	never  = int64(math.MaxInt64)
)

func seconds(s float64) int64 { return int64(s * float64(second)) }

// base is what the scenarios share: opening, keeping alive, the measured window.
type base struct {
	quiet
	l         *loop
	t         *task
	figures   figures
	live      int
	opening   int
	measuring bool
	latency   histogram
	nextPing  int
	pingAt    int64
	kibAt     int64
}

func newBase(l *loop, t *task) *base {
	b := &base{l: l, t: t}
	b.figures.Mode = t.Mode
	b.figures.KiBBefore = serverKiB(t.PID)
	for i := range t.Connections {
		l.add(&t.People[i])
	}
	return b
}

func (b *base) fail(why string) {
	if b.figures.Errors == 0 {
		b.figures.FirstError = why
	}
	b.figures.Errors++
}

func (b *base) opened(*conn) {
	b.live++
	b.opening--
}

func (b *base) closed(c *conn, why string) {
	b.fail(fmt.Sprintf("connection %d: %s", c.number, why))
}

func (b *base) failed(_ *conn, _ uint64, why string) { b.fail("a call failed: " + why) }

func (b *base) lagging(*conn) { b.figures.Lagged++ }

// openAll opens connections, a few at a time, until all are welcomed. An error ends it.
func (b *base) openAll(conns []*conn) error {
	wanted, begun, next := b.live+len(conns), b.l.tick(), 0
	limit := begun + 120*second
	for b.live < wanted {
		for b.opening < b.t.Opening && next < len(conns) {
			b.opening++
			b.l.open(conns[next])
			next++
		}
		if b.figures.Errors > 0 {
			return fmt.Errorf("after %d connections: %s", b.live, b.figures.FirstError)
		}
		if err := b.l.turn(second / 10); err != nil {
			return err
		}
		b.keepAlive(b.l.now)
		if b.l.now > limit {
			return fmt.Errorf("only %d of %d connections were welcomed in two minutes", b.live, wanted)
		}
	}
	b.figures.Opened = int64(b.live)
	b.figures.OpenedPerSecond = float64(len(conns)) / (float64(b.l.now-begun) / 1e9)
	return nil
}

// spin serves the connections for a time. `due`, where there is one, does what is due by now
// and says when there is more.
func (b *base) spin(length int64, due func(now int64) int64) error {
	for now, until := b.l.tick(), b.l.now+length; now < until; now = b.l.now {
		wait := min(until-now, b.keepAlive(now)-now)
		if due != nil {
			wait = min(wait, due(now)-now)
		}
		if err := b.l.turn(wait); err != nil {
			return err
		}
	}
	return nil
}

// drain serves the connections until `done`, for as long as the patience lasts.
func (b *base) drain(done func() bool) error {
	until := b.l.tick() + seconds(b.t.Patience)
	for !done() && b.l.now < until {
		if err := b.l.turn(second / 50); err != nil {
			return err
		}
		b.keepAlive(b.l.now)
	}
	return nil
}

// keepAlive pings the connections in turn, evenly over the time; returns when to be called next.
func (b *base) keepAlive(now int64) int64 {
	ping := b.l.speech.ping()
	if ping == nil || b.t.Heartbeat <= 0 {
		return never
	}
	step := max(seconds(b.t.Heartbeat)/int64(len(b.l.conns)), 1)
	if b.pingAt == 0 {
		b.pingAt = now
	}
	for b.pingAt <= now {
		if c := b.l.conns[b.nextPing]; c.state == live && !c.paused {
			b.l.queue(c, ping)
			b.l.flush(c)
		}
		b.nextPing = (b.nextPing + 1) % len(b.l.conns)
		b.pingAt += step
	}
	return b.pingAt
}

// measure is the window: what `spin` does, with the usage of both sides.
func (b *base) measure(due func(now int64) int64) error {
	w := begin(b.t.PID)
	b.measuring = true
	err := b.spin(seconds(b.t.Seconds), func(now int64) int64 {
		next := b.watchMemory(now)
		if due != nil {
			next = min(next, due(now))
		}
		return next
	})
	b.measuring = false
	w.end(&b.figures)
	return err
}

func (b *base) watchMemory(now int64) int64 {
	if now >= b.kibAt {
		b.figures.KiBMax = max(b.figures.KiBMax, serverKiB(b.t.PID))
		b.kibAt = now + second/4
	}
	return b.kibAt
}

func (b *base) finish() {
	b.figures.latency(&b.latency)
}
