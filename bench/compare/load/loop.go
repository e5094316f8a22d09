package main

import (
	"fmt"
	"syscall"
	"time"
	"unsafe"
)

// Numbers that the syscall package lacks. They are the same on every architecture.
const (
	sysEpollPwait2  = 441
	prSetTimerSlack = 29
)

const (
	readSize  = 4 << 20 // bytes asked of a socket at once, and the largest message
	eventsMax = 1024    // sockets looked at in one turn
)

type state uint8

const (
	closed state = iota
	connecting
	upgrading
	greeting // the hello is sent, the welcome is awaited
	live
)

// conn is one connection. Its number stays when it is closed and opened again.
type conn struct {
	fd         int
	number     int
	state      state
	generation int32 // of its sockets, so that no event of an earlier one is taken for this one's
	wantsWrite bool
	paused     bool   // not read from
	rest       []byte // the beginning of a message whose end is still to come
	out        []byte // not yet taken by the socket
	begun      int64  // when it was opened
	person     *person
	cursor     []byte
	position   int64 // of the last durable update
	goAwayMs   int64
	receiveBuf int // bytes; 0: as the system has it
}

// scenario is told what happens. None of its methods waits.
type scenario interface {
	// opened: the connection is welcomed.
	opened(c *conn)
	// message: a whole message came for a live connection.
	message(c *conn, data []byte)
	// closed: the connection has ended, and not by our own close.
	closed(c *conn, why string)
}

// loop is every connection in one epoll set, served by the one thread that there is.
type loop struct {
	epoll   int
	buf     []byte
	conns   []*conn
	address syscall.SockaddrInet4
	speech  dialect
	play    scenario
	start   time.Time
	now     int64 // ns since start, as of the last read
	events  [eventsMax]syscall.EpollEvent
	coarse  bool // no epoll_pwait2 here: waits are of whole milliseconds
}

func newLoop(port int, speech dialect) (*loop, error) {
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	// A wait ends when it should, not up to 50 µs later.
	syscall.RawSyscall(syscall.SYS_PRCTL, prSetTimerSlack, 1, 0)
	l := &loop{epoll: epoll, buf: make([]byte, readSize), speech: speech, start: time.Now()}
	l.address = syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
	return l, nil
}

func (l *loop) tick() int64 {
	l.now = int64(time.Since(l.start))
	return l.now
}

// add makes a connection for a person; it is still to be opened.
func (l *loop) add(p *person) *conn {
	c := &conn{fd: -1, number: len(l.conns), person: p}
	l.conns = append(l.conns, c)
	return c
}

// open begins to connect; `opened` or `closed` tells how it went.
func (l *loop) open(c *conn) {
	c.begun = l.tick()
	c.generation++
	c.rest, c.out = c.rest[:0], c.out[:0]
	c.wantsWrite, c.paused, c.goAwayMs = false, false, 0
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		l.play.closed(c, "socket: "+err.Error())
		return
	}
	c.fd, c.state = fd, connecting
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	// Closing resets: tens of thousands of ports would wait for minutes otherwise.
	_ = syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
	if c.receiveBuf > 0 {
		_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, c.receiveBuf)
	}
	if err = syscall.Connect(fd, &l.address); err != nil && err != syscall.EINPROGRESS {
		l.lose(c, "connect: "+err.Error())
		return
	}
	l.watch(c, syscall.EPOLL_CTL_ADD, syscall.EPOLLOUT)
}

func (l *loop) watch(c *conn, how int, events uint32) {
	event := syscall.EpollEvent{Events: events, Fd: int32(c.number), Pad: c.generation}
	if err := syscall.EpollCtl(l.epoll, how, c.fd, &event); err != nil {
		l.lose(c, "epoll_ctl: "+err.Error())
	}
}

func (l *loop) watchAgain(c *conn) {
	var events uint32
	if !c.paused {
		events |= syscall.EPOLLIN
	}
	if c.wantsWrite {
		events |= syscall.EPOLLOUT
	}
	l.watch(c, syscall.EPOLL_CTL_MOD, events)
}

// pause stops reading from a connection, or goes on with it.
func (l *loop) pause(c *conn, paused bool) {
	if c.fd >= 0 && c.paused != paused {
		c.paused = paused
		l.watchAgain(c)
	}
}

// close drops a connection, without a closing handshake and without telling the scenario.
func (l *loop) close(c *conn) {
	if c.fd >= 0 {
		_ = syscall.Close(c.fd)
		c.fd, c.state = -1, closed
	}
}

func (l *loop) lose(c *conn, why string) {
	l.close(c)
	l.play.closed(c, why)
}

// queue keeps bytes for the next flush of the connection.
func (l *loop) queue(c *conn, frame []byte) { c.out = append(c.out, frame...) }

// flush sends what is queued; what the socket does not take goes when it has room.
func (l *loop) flush(c *conn) {
	if len(c.out) == 0 || c.wantsWrite || c.fd < 0 {
		return
	}
	l.write(c)
}

func (l *loop) write(c *conn) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(c.fd), uintptr(unsafe.Pointer(&c.out[0])), uintptr(len(c.out)))
	switch {
	case errno == syscall.EAGAIN || errno == syscall.EINTR:
		n = 0
	case errno != 0:
		l.lose(c, "write: "+errno.Error())
		return
	}
	if int(n) == len(c.out) {
		c.out = c.out[:0]
	} else {
		c.out = c.out[:copy(c.out, c.out[n:])]
	}
	if wants := len(c.out) > 0; wants != c.wantsWrite {
		c.wantsWrite = wants
		l.watchAgain(c)
	}
}

// turn waits up to `wait` ns for sockets and serves those that are ready.
func (l *loop) turn(wait int64) error {
	n, errno := l.wait(max(wait, 0))
	if errno != 0 && errno != syscall.EINTR {
		return fmt.Errorf("epoll_wait: %w", errno)
	}
	if n <= 0 {
		l.tick()
		return nil
	}
	for _, event := range l.events[:n] {
		c := l.conns[event.Fd]
		if c.fd < 0 || c.generation != event.Pad {
			continue
		}
		if c.state == connecting {
			l.connected(c)
			continue
		}
		if event.Events&syscall.EPOLLOUT != 0 && len(c.out) > 0 {
			l.write(c)
		}
		if c.fd >= 0 && !c.paused && event.Events&(syscall.EPOLLIN|syscall.EPOLLERR|syscall.EPOLLHUP) != 0 {
			l.read(c)
		} else if c.fd >= 0 && c.paused && event.Events&(syscall.EPOLLERR|syscall.EPOLLHUP) != 0 {
			l.lose(c, "reset while it was not read from")
		}
	}
	return nil
}

func (l *loop) wait(ns int64) (int, syscall.Errno) {
	if !l.coarse {
		limit := syscall.NsecToTimespec(ns)
		n, _, errno := syscall.RawSyscall6(sysEpollPwait2, uintptr(l.epoll), uintptr(unsafe.Pointer(&l.events[0])), eventsMax, uintptr(unsafe.Pointer(&limit)), 0, 0)
		if errno != syscall.ENOSYS {
			return int(int32(n)), errno
		}
		l.coarse = true
	}
	n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(l.epoll), uintptr(unsafe.Pointer(&l.events[0])), eventsMax, uintptr((ns+999_999)/1_000_000), 0, 0)
	return int(int32(n)), errno
}

func (l *loop) connected(c *conn) {
	if code, err := syscall.GetsockoptInt(c.fd, syscall.SOL_SOCKET, syscall.SO_ERROR); err != nil || code != 0 {
		l.lose(c, "connect: "+syscall.Errno(code).Error())
		return
	}
	c.state = upgrading
	l.queue(c, l.speech.upgrade())
	l.write(c)
	if c.fd >= 0 && !c.wantsWrite {
		l.watchAgain(c)
	}
}

func (l *loop) read(c *conn) {
	for {
		kept := copy(l.buf, c.rest)
		n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(c.fd), uintptr(unsafe.Pointer(&l.buf[kept])), uintptr(len(l.buf)-kept))
		l.tick()
		if errno == syscall.EAGAIN || errno == syscall.EINTR {
			return
		}
		if errno != 0 {
			l.lose(c, "read: "+errno.Error())
			return
		}
		if n == 0 {
			l.lose(c, "the server closed the connection")
			return
		}
		data := l.buf[:kept+int(n)]
		used, why := l.take(c, data)
		if why != "" {
			l.lose(c, why)
		}
		if c.fd < 0 {
			return
		}
		c.rest = append(c.rest[:0], data[used:]...)
		if len(c.rest) == len(l.buf) {
			l.lose(c, "a message of more than 4 MiB")
			return
		}
		l.flush(c)
		if kept+int(n) < len(l.buf) || c.fd < 0 || c.paused {
			return
		}
	}
}

// take handles what has arrived and returns how much of it was whole, or why to give up.
func (l *loop) take(c *conn, data []byte) (int, string) {
	used := 0
	if c.state == upgrading {
		var why string
		if used, why = head(data); used == 0 {
			return 0, why
		}
		c.state = greeting
		l.queue(c, l.speech.hello(c.person, c.cursor))
	}
	for {
		frame, size := parse(data[used:])
		if size == 0 {
			return used, ""
		}
		used += size
		switch frame.opcode {
		case opBinary:
			if c.state == live {
				l.play.message(c, frame.payload)
			} else if done, err := l.speech.welcome(c, frame.payload); err != nil {
				return used, err.Error()
			} else if done {
				c.state = live
				l.play.opened(c)
				// The welcome's message may hold the first updates.
				if c.fd >= 0 {
					l.play.message(c, frame.payload)
				}
			}
		case opPing:
			l.queue(c, mask(opPong, frame.payload))
		case opPong:
		case opClose:
			return used, frame.reason()
		default:
			return used, fmt.Sprintf("a frame with the opcode %#x", frame.opcode)
		}
		if c.fd < 0 {
			return used, ""
		}
	}
}
