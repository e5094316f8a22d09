package main

import (
	"cmp"
	"fmt"
	"math/rand"
	"slices"
	"strings"
)

const (
	lateness = second / 2   // for what may still come twice, after everyone has caught up
	settled  = 2 * second   // before the cut
	shelter  = 120 * second // in which the storm must be over
	backoff  = second       // until a refused client tries again, about; twice as long each time
	doubling = 4            // times
)

// arrival is when to open a connection.
type arrival struct {
	at  int64
	who *conn
}

// storm cuts every session at once, has a message sent to every room, and lets the sessions
// come back at moments spread over the jitter. Each must be told of the message of each of its
// rooms exactly once, and then that it has caught up.
type storm struct {
	*base
	speaker  *conn
	rooms    []int64
	ordinals map[int64]int64
	came     [][]bool // by member and place among its rooms
	cut      bool
	returns  []arrival // in the order of their times
	again    []arrival // those who were refused
	tries    []int     // by member: how often
	random   *rand.Rand
	done     []bool
	caught   int
	lastAt   int64
	spoken   int // messages sent by the speaker
	flying   int
	template template
	idAt     int
}

func newStorm(b *base) *storm {
	members := len(b.l.conns)
	s := &storm{
		base:     b,
		ordinals: map[int64]int64{},
		came:     make([][]bool, members),
		tries:    make([]int, members),
		random:   rand.New(rand.NewSource(1)),
		done:     make([]bool, members),
	}
	for i, c := range b.l.conns {
		s.came[i] = make([]bool, len(c.person.Rooms))
		for _, room := range c.person.Rooms {
			if _, known := s.ordinals[room]; !known {
				s.rooms = append(s.rooms, room)
				s.ordinals[room] = int64(len(s.rooms))
			}
		}
	}
	s.speaker = b.l.add(b.t.Speaker)
	b.l.play = s
	return s
}

func (s *storm) members() []*conn { return s.l.conns[:len(s.came)] }

func (s *storm) message(c *conn, data []byte) {
	if err := s.l.speech.scan(s.l, c, data, s); err != nil {
		s.l.lose(c, err.Error())
	}
}

func (s *storm) opened(c *conn) {
	if !s.cut {
		s.base.opened(c)
	}
}

// closed: who is refused comes again, when it was told to or soon.
func (s *storm) closed(c *conn, why string) {
	if !s.cut || c == s.speaker || s.figures.Retries > 100*int64(len(s.came)) {
		s.base.closed(c, why)
		return
	}
	s.figures.Retries++
	if s.figures.FirstError == "" {
		s.figures.FirstError = why // what made the first of them try again
	}
	wait := float64(backoff<<min(s.tries[c.number], doubling)) * (0.5 + s.random.Float64())
	s.tries[c.number]++
	s.again = append(s.again, arrival{s.l.now + max(c.goAwayMs*1e6, int64(wait)), c})
}

func (s *storm) stored(c *conn, position int64, text []byte) {
	if c == s.speaker {
		return
	}
	if position <= c.position { // told again, after a return that was cut short
		if s.figures.Retries == 0 {
			s.figures.Doubled++
		}
		return
	}
	c.position = position
	number, ok := numberIn(text)
	if !ok || !s.cut {
		s.figures.Wrong++
		return
	}
	for i, room := range c.person.Rooms {
		if s.ordinals[room] == number {
			if s.came[c.number][i] {
				s.figures.Doubled++
			}
			s.came[c.number][i] = true
			return
		}
	}
	s.figures.Wrong++ // of a room that it is not in
}

func (s *storm) caughtUp(c *conn) {
	if !s.cut || c == s.speaker || s.done[c.number] {
		return
	}
	s.done[c.number] = true
	s.caught++
	s.lastAt = s.l.now
	s.latency.add(s.l.now - c.begun)
}

func (s *storm) answered(c *conn, _ uint64, _ []byte) {
	s.flying--
	s.speak()
}

func (s *storm) failed(c *conn, id uint64, why string) {
	s.base.failed(c, id, why)
	s.flying--
}

// speak sends the messages, some of them at a time.
func (s *storm) speak() {
	for s.flying < 16 && s.spoken < len(s.rooms) {
		room := s.rooms[s.spoken]
		s.spoken++
		s.flying++
		text := fmt.Sprintf("%012d", s.ordinals[room])
		content := s.l.speech.publish(room, []byte(text+strings.Repeat("x", max(s.t.Size-len(text), 0))))
		frame := newTemplate(content)
		id := idOf(int64(s.spoken))
		for _, at := range places(content, idMark[:]) {
			frame.set(at, id[:])
		}
		key := [8]byte{0, 0, 0, 0, byte(s.spoken >> 24), byte(s.spoken >> 16), byte(s.spoken >> 8), byte(s.spoken)}
		for _, at := range places(content, numberMark[:]) {
			frame.set(at, key[:])
		}
		s.l.queue(s.speaker, frame.bytes)
	}
	s.l.flush(s.speaker)
}

// comeBack opens those whose time has come, and says when the next has.
func (s *storm) comeBack(now int64) int64 {
	for len(s.returns) > 0 && s.returns[0].at <= now {
		s.l.open(s.returns[0].who)
		s.returns = s.returns[1:]
	}
	next := never
	if len(s.returns) > 0 {
		next = s.returns[0].at
	}
	waiting := s.again
	s.again = nil
	for _, one := range waiting {
		if one.at <= now {
			s.l.open(one.who)
		} else {
			s.again = append(s.again, one)
			next = min(next, one.at)
		}
	}
	return next
}

func runStorm(b *base) error {
	if b.t.Speaker == nil {
		return fmt.Errorf("a storm needs a speaker")
	}
	s := newStorm(b)
	if err := s.openAll(s.l.conns); err != nil {
		return err
	}
	if err := s.spin(seconds(s.t.WarmUp), nil); err != nil {
		return err
	}
	settle()
	s.cut = true
	for _, c := range s.members() {
		s.l.close(c)
	}
	s.speak()
	if err := s.drain(func() bool { return s.flying == 0 || s.figures.Errors > 0 }); err != nil {
		return err
	}
	if s.flying > 0 || s.figures.Errors > 0 {
		return fmt.Errorf("%d messages were not answered: %s", s.flying, s.figures.FirstError)
	}

	w := begin(s.t.PID)
	start := s.l.tick()
	for _, c := range s.members() {
		s.returns = append(s.returns, arrival{start + int64(s.random.Float64()*float64(seconds(s.t.Jitter))), c})
	}
	slices.SortFunc(s.returns, func(a, b arrival) int { return cmp.Compare(a.at, b.at) })
	for s.caught < len(s.came) && s.l.now < start+shelter && s.figures.Errors == 0 {
		next := min(s.comeBack(s.l.tick()), s.watchMemory(s.l.now), s.keepAlive(s.l.now))
		if err := s.l.turn(next - s.l.now); err != nil {
			return err
		}
	}
	s.figures.Count = int64(s.caught)
	w.end(&s.figures)
	s.figures.TimeToLast = float64(s.lastAt-start) / 1e9
	if err := s.spin(lateness, nil); err != nil {
		return err
	}
	for i := range s.came {
		for _, one := range s.came[i] {
			if !one {
				s.figures.Lost++
			}
		}
	}
	if s.caught < len(s.came) {
		s.fail(fmt.Sprintf("%d sessions did not catch up", len(s.came)-s.caught))
	}
	s.figures.KiBAfter = serverKiB(s.t.PID)
	s.finish()
	return nil
}
