package main

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Fields of ClientFrame and ServerFrame (rpc/proto/frames.proto).
const (
	clientHello = 1
	clientCall  = 2
	clientPing  = 5

	serverWelcome    = 1
	serverResult     = 2
	serverFailure    = 3
	serverUpdate     = 4
	serverSignal     = 5
	serverCheckpoint = 6
	serverLagging    = 9
	serverCaughtUp   = 10
	serverGoAway     = 11
	serverResync     = 13
)

var errShape = errors.New("bytes that are not what the .proto files say")

// sunwire speaks batches of frames. The peers in Python and Node speak them too.
type sunwire struct {
	durable bool // publications are messages that are stored
	pinging []byte
}

func newSunwire(durable bool) *sunwire {
	s := &sunwire{durable: durable}
	s.pinging = mask(opBinary, clientFrame(clientPing, putNumber(nil, 1, 1)))
	return s
}

func clientFrame(kind byte, content []byte) []byte {
	return putBytes(nil, 1, putBytes(nil, kind, content))
}

func (s *sunwire) upgrade() []byte { return upgradeRequest("/", "sunwire.v1") }

func (s *sunwire) ping() []byte { return s.pinging }

func (s *sunwire) hello(p *person, cursor []byte) []byte {
	device := binary.BigEndian.AppendUint64([]byte("benching"), uint64(p.UserID))
	hello := putBytes(nil, 1, []byte(p.Token))
	hello = putBytes(hello, 2, device)
	hello = putBytes(hello, 3, []byte("bench"))
	hello = putBytes(hello, 4, []byte("bench"))
	if len(cursor) > 0 {
		hello = putBytes(hello, 5, cursor)
	}
	return mask(opBinary, clientFrame(clientHello, hello))
}

func (s *sunwire) welcome(c *conn, data []byte) (bool, error) {
	_, _, batch, next := field(data, 0)
	if next < 0 {
		return false, errShape
	}
	tag, _, content, next := field(batch, 0)
	if next < 0 {
		return false, errShape
	}
	switch tag >> 3 {
	case serverWelcome:
		var user uint64
		for at := 0; at < len(content); {
			tag, number, value, next := field(content, at)
			if next < 0 {
				return false, errShape
			}
			switch tag >> 3 {
			case 2:
				user = number
			case 3:
				c.cursor = append(c.cursor[:0], value...)
			}
			at = next
		}
		if user != uint64(c.person.UserID) {
			return false, fmt.Errorf("welcomed as user %d instead of %d", user, c.person.UserID)
		}
		return true, nil
	case serverGoAway:
		c.goAwayMs = goAwayMs(content)
		return false, fmt.Errorf("sent away for %d ms", c.goAwayMs)
	}
	return false, fmt.Errorf("frame %d instead of a welcome", tag>>3)
}

func goAwayMs(content []byte) int64 {
	for at := 0; at < len(content); {
		tag, number, _, next := field(content, at)
		if next < 0 {
			break
		}
		if tag>>3 == 2 {
			return int64(number)
		}
		at = next
	}
	return 0
}

func (s *sunwire) call(id int, method string, request []byte) []byte {
	call := putNumber(nil, 1, uint64(id))
	call = putBytes(call, 2, []byte("Bench."+method))
	call = putBytes(call, 5, request)
	return mask(opBinary, clientFrame(clientCall, call))
}

func (s *sunwire) publish(room int64, payload []byte) []byte {
	call := append([]byte{1 << 3}, idMark[:]...)
	request := putNumber(nil, 1, uint64(room))
	if s.durable {
		key := append([]byte("measured"), numberMark[:]...)
		request = putBytes(request, 2, key)
		request = putBytes(request, 3, payload)
		call = putBytes(call, 2, []byte("Chat.SendMessage"))
		call = putBytes(call, 4, key)
	} else {
		request = putBytes(request, 2, payload)
		call = putBytes(call, 2, []byte("Bench.Publish"))
	}
	return clientFrame(clientCall, putBytes(call, 5, request))
}

func (s *sunwire) scan(l *loop, c *conn, data []byte, to sink) error {
	for at := 0; at < len(data); {
		if data[at] != 1<<3|2 {
			return errShape
		}
		size, start := varint(data, at+1)
		if start > len(data) || size > uint64(len(data)-start) {
			return errShape
		}
		at = start + int(size)
		tag, _, content, next := field(data[start:at], 0)
		if next < 0 {
			return errShape
		}
		switch tag >> 3 {
		case serverSignal:
			if payload := broadcast(content); payload != nil {
				to.delivered(c, payload)
			}
		case serverResult:
			id, payload := result(content)
			to.answered(c, id, payload)
		case serverUpdate:
			if position, text := messageUpdate(content); text != nil {
				to.stored(c, position, text)
			}
		case serverFailure:
			id, why := failure(content)
			to.failed(c, id, why)
		case serverCheckpoint:
			if _, _, cursor, next := field(content, 0); next > 0 {
				c.cursor = append(c.cursor[:0], cursor...)
			}
		case serverLagging:
			to.lagging(c)
		case serverCaughtUp:
			to.caughtUp(c)
		case serverGoAway:
			c.goAwayMs = goAwayMs(content)
			return fmt.Errorf("sent away for %d ms", c.goAwayMs)
		case serverResync:
			return errors.New("told to start afresh: the cursor was not accepted")
		}
		if c.fd < 0 {
			return nil
		}
	}
	return nil
}

// broadcast is the payload of a Signal, nil when it is of another kind.
func broadcast(signal []byte) []byte {
	tag, _, content, next := field(signal, 0)
	if next < 0 || tag>>3 != 6 {
		return nil
	}
	for at := 0; at < len(content); {
		tag, _, payload, next := field(content, at)
		if next < 0 {
			return nil
		}
		if tag>>3 == 3 {
			return payload
		}
		at = next
	}
	return nil
}

func result(content []byte) (id uint64, payload []byte) {
	for at := 0; at < len(content); {
		tag, number, value, next := field(content, at)
		if next < 0 {
			break
		}
		if tag>>3 == 1 {
			id = number
		} else if tag>>3 == 2 {
			payload = value
		}
		at = next
	}
	return id, payload
}

func failure(content []byte) (id uint64, why string) {
	var code uint64
	for at := 0; at < len(content); {
		tag, number, value, next := field(content, at)
		if next < 0 {
			break
		}
		switch tag >> 3 {
		case 1:
			id = number
		case 2:
			code = number
		case 6:
			why = string(value)
		}
		at = next
	}
	return id, fmt.Sprintf("code %d: %s", code, why)
}

// messageUpdate is the position of an Update and the text of its message, nil when it is of
// another kind.
func messageUpdate(content []byte) (position int64, text []byte) {
	for at := 0; at < len(content); {
		tag, number, value, next := field(content, at)
		if next < 0 {
			return 0, nil
		}
		switch tag >> 3 {
		case 3:
			position = int64(number)
		case 10:
			for at := 0; at < len(value); {
				tag, _, inner, next := field(value, at)
				if next < 0 {
					return 0, nil
				}
				if tag>>3 == 6 {
					text = inner
				}
				at = next
			}
		}
		at = next
	}
	return position, text
}
