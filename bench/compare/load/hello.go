package main

// hello counts the sessions that are welcomed in a second: connecting, upgrading, the token,
// and the answer to a cursor after which nothing has happened.
type hello struct {
	*base
	probe    *conn
	resuming bool // the cursor is known: whoever comes now has one
	done     []bool
}

func (s *hello) message(c *conn, data []byte) {
	if err := s.l.speech.scan(s.l, c, data, s); err != nil {
		s.l.lose(c, err.Error())
	}
}

// opened: a session is complete when it has been told that it has caught up, or, where there
// are no cursors, with its welcome.
func (s *hello) opened(c *conn) {
	if !s.resuming {
		s.complete(c)
	}
}

func (s *hello) caughtUp(c *conn) {
	if s.resuming && c != s.probe {
		s.complete(c)
	}
}

func (s *hello) stored(*conn, int64, []byte) { s.fail("an update, where nothing was missed") }

func (s *hello) complete(c *conn) {
	if s.done[c.number] {
		s.figures.Doubled++
		return
	}
	s.done[c.number] = true
	s.base.opened(c)
	s.latency.add(s.l.now - c.begun)
}

func runHello(b *base) error {
	s := &hello{base: b, done: make([]bool, len(b.l.conns))}
	b.l.play = s
	s.probe = s.l.conns[0]
	if err := s.openAll(s.l.conns[:1]); err != nil {
		return err
	}
	s.latency = histogram{}
	s.resuming = len(s.probe.cursor) > 0
	for _, c := range s.l.conns[1:] {
		c.cursor = append(c.cursor, s.probe.cursor...)
	}
	settle()
	w := begin(s.t.PID)
	if err := s.openAll(s.l.conns[1:]); err != nil {
		return err
	}
	s.figures.Count = int64(len(s.l.conns) - 1)
	w.end(&s.figures)
	s.figures.KiBAfter = serverKiB(s.t.PID)
	s.finish()
	return nil
}
