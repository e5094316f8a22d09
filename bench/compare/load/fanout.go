package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

const (
	ring     = 1 << 20    // publications that can be under way
	backlog  = 8 << 20    // bytes that the publisher's socket may not have taken
	smallest = 4 << 10    // receive buffer of those who stop reading
	digitsOf = 12         // of a number in a text
	silence  = 5 * second // after which nothing more is expected at the end
)

// fanout has one publisher, who is a member, and the other members of its room.
//
// A publication is outstanding from when it is sent until the publisher has its answer and
// every member has received it. Closed loop: as many are kept outstanding as the task says.
// With a rate they are sent when they are due, whatever became of the earlier ones, and the
// times count from then. Every delivery of every member is looked at: broadcasts must come in
// the order of their numbers, stored messages each once.
type fanout struct {
	*base
	publisher   *conn
	frame       template
	idAt        []int
	numberAt    []int
	textAt      []int
	newest      int64 // number of the last publication; they begin with 1
	outstanding int64
	missing     []int32    // by number: members that have not received it, and the answer
	due         []int64    // by number: when it was sent, or should have been
	next        []int64    // by member: the number that comes next (broadcasts)
	seen        [][]uint64 // by member: the numbers that came (stored messages)
	stalled     []bool
	received    int64
	dueAt       int64
}

func newFanout(b *base) *fanout {
	members := len(b.l.conns)
	s := &fanout{
		base:      b,
		publisher: b.l.conns[0],
		missing:   make([]int32, ring),
		due:       make([]int64, ring),
		next:      make([]int64, members),
		stalled:   make([]bool, members),
	}
	for i := range members {
		s.next[i] = 1
		s.stalled[i] = i > 0 && i <= b.t.Stalled
		if s.stalled[i] {
			b.l.conns[i].receiveBuf = smallest
		}
	}
	mark := numberMark[:]
	if b.t.Durable {
		mark = textMark
		s.seen = make([][]uint64, members)
	}
	filler := max(b.t.Size-len(mark), 0)
	content := b.l.speech.publish(b.t.Room, append(bytes.Clone(mark), strings.Repeat("x", filler)...))
	s.frame = newTemplate(content)
	s.idAt, s.numberAt, s.textAt = places(content, idMark[:]), places(content, numberMark[:]), places(content, textMark)
	b.l.play = s
	return s
}

// places are the offsets at which a mark stands.
func places(content, mark []byte) (found []int) {
	for at := 0; ; at++ {
		i := bytes.Index(content[at:], mark)
		if i < 0 {
			return found
		}
		at += i
		found = append(found, at)
	}
}

func (s *fanout) message(c *conn, data []byte) {
	if err := s.l.speech.scan(s.l, c, data, s); err != nil {
		s.l.lose(c, err.Error())
	}
}

func (s *fanout) closed(c *conn, why string) {
	if s.stalled[c.number] && c.position > 0 && s.t.Durable && s.figures.Retries < 10*int64(s.t.Stalled) {
		// Sent away for not reading: it comes back and goes on from its cursor.
		s.figures.Retries++
		s.l.open(c)
		return
	}
	s.base.closed(c, why)
}

func (s *fanout) opened(c *conn) {
	if s.opening > 0 { // not one that has come back
		s.base.opened(c)
	}
}

func (s *fanout) publish(due int64) {
	s.newest++
	s.outstanding++
	i := s.newest % ring
	s.missing[i], s.due[i] = int32(len(s.l.conns))+1, due
	id := idOf(s.newest)
	for _, at := range s.idAt {
		s.frame.set(at, id[:])
	}
	var number [8]byte
	binary.BigEndian.PutUint64(number[:], uint64(s.newest))
	for _, at := range s.numberAt {
		s.frame.set(at, number[:])
	}
	if len(s.textAt) > 0 {
		var digits [digitsOf]byte
		for i, n := digitsOf-1, s.newest; i >= 0; i, n = i-1, n/10 {
			digits[i] = '0' + byte(n%10)
		}
		for _, at := range s.textAt {
			s.frame.set(at, digits[:])
		}
	}
	s.l.queue(s.publisher, s.frame.bytes)
}

// account takes one member, or the answer, off what a publication waits for.
func (s *fanout) account(number int64) {
	i := number % ring
	if s.missing[i]--; s.missing[i] == 0 {
		s.outstanding--
	}
}

func (s *fanout) answered(c *conn, id uint64, _ []byte) {
	if c == s.publisher {
		s.account(numberOf(id, s.newest))
	}
}

func (s *fanout) failed(c *conn, id uint64, why string) {
	s.base.failed(c, id, why)
	if c == s.publisher { // nobody will receive it
		i := numberOf(id, s.newest) % ring
		s.missing[i] = 0
		s.outstanding--
	}
}

func (s *fanout) came(c *conn, number int64) {
	s.account(number)
	s.received++
	if s.stalled[c.number] {
		return
	}
	if s.measuring {
		s.figures.Count++
		s.latency.add(s.l.now - s.due[number%ring])
	}
}

func (s *fanout) delivered(c *conn, payload []byte) {
	if len(payload) < 8 || s.t.Durable {
		s.figures.Wrong++
		return
	}
	if len(payload) != max(s.t.Size, 8) {
		s.figures.Wrong++
	}
	number := int64(binary.BigEndian.Uint64(payload))
	next := s.next[c.number]
	if number < next || number > s.newest {
		s.figures.Doubled++
		return
	}
	for ; next < number; next++ { // dropped on the way
		if s.stalled[c.number] {
			s.figures.StalledMissed++
		} else {
			s.figures.Lost++
		}
		s.account(next)
	}
	s.next[c.number] = number + 1
	s.came(c, number)
}

func (s *fanout) stored(c *conn, position int64, text []byte) {
	number, ok := numberIn(text)
	if !ok || !s.t.Durable || number < 1 || number > s.newest {
		s.figures.Wrong++
		return
	}
	if position <= c.position {
		if s.figures.Retries == 0 { // only who came back may be told again from its cursor
			s.figures.Doubled++
		}
		return
	}
	c.position = position
	for int64(len(s.seen[c.number]))*64 <= number {
		s.seen[c.number] = append(s.seen[c.number], 0)
	}
	word, bit := &s.seen[c.number][number/64], uint64(1)<<(number%64)
	if *word&bit != 0 {
		s.figures.Doubled++
		return
	}
	*word |= bit
	s.came(c, number)
}

func numberIn(text []byte) (number int64, ok bool) {
	if len(text) < digitsOf {
		return 0, false
	}
	for _, digit := range text[:digitsOf] {
		if digit < '0' || digit > '9' {
			return 0, false
		}
		number = number*10 + int64(digit-'0')
	}
	return number, true
}

// fill publishes what is due by now.
func (s *fanout) fill(now int64) int64 {
	next := never
	if s.t.Rate == 0 {
		for s.outstanding < int64(s.t.InFlight) {
			s.publish(now)
		}
	} else {
		if s.dueAt == 0 {
			s.dueAt = now
		}
		for s.dueAt <= now && len(s.publisher.out) < backlog && s.outstanding < ring-1 {
			s.publish(s.dueAt)
			s.dueAt += seconds(1 / s.t.Rate)
		}
		next = s.dueAt
	}
	s.l.flush(s.publisher)
	return next
}

func (s *fanout) stall(yes bool) {
	for i, stalled := range s.stalled {
		if stalled {
			s.l.pause(s.l.conns[i], yes)
		}
	}
}

// tail counts what has not come by the end: broadcasts that members still wait for, stored
// messages and answers alike.
func (s *fanout) tail() {
	for number := max(1, s.newest-ring+1); number <= s.newest; number++ {
		s.figures.Lost += int64(max(s.missing[number%ring], 0))
	}
	for i, stalled := range s.stalled {
		if stalled && !s.t.Durable {
			missed := s.newest + 1 - s.next[i]
			s.figures.StalledMissed += missed
			s.figures.Lost -= missed
		}
	}
}

func runFanout(b *base) error {
	s := newFanout(b)
	if s.t.Stalled > 0 && s.t.Rate == 0 {
		return errors.New("members that do not read need a rate: nothing would end")
	}
	if len(s.idAt) != 1 || len(s.numberAt)+len(s.textAt) == 0 {
		return errors.New("the marks of a publication are not where they should be")
	}
	if err := s.openAll(s.l.conns); err != nil {
		return err
	}
	settle()
	s.l.tick()
	if err := s.spin(seconds(s.t.WarmUp), s.fill); err != nil {
		return err
	}
	s.stall(true)
	published := s.newest
	if err := s.measure(s.fill); err != nil {
		return err
	}
	s.figures.Publications = s.newest - published
	s.figures.KiBAfter = serverKiB(s.t.PID)
	s.stall(false)
	last, received := s.l.now, s.received
	err := s.drain(func() bool {
		if s.received != received {
			last, received = s.l.now, s.received
		}
		return s.outstanding == 0 || s.l.now-last > silence
	})
	s.tail()
	if s.figures.Errors == 0 && s.outstanding > 0 && s.figures.Lost > 0 {
		s.fail(fmt.Sprintf("%d publications did not reach everybody", s.outstanding))
	}
	s.finish()
	return err
}
