package main

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Fields of Command and Reply in the client protocol of centrifuge.
const (
	commandConnect = 4
	commandPublish = 7
	commandRPC     = 13

	replyError   = 2
	replyPush    = 4
	replyConnect = 5
	replyRPC     = 13
)

// centrifuge speaks the protobuf form of the client protocol: commands and replies, each after
// its length.
type centrifuge struct {
	pong []byte // the answer to a ping of the server, which is an empty reply
}

func newCentrifuge() *centrifuge { return &centrifuge{pong: mask(opBinary, []byte{0})} }

func command(id uint64, kind byte, request []byte) []byte {
	content := putBytes(putNumber(nil, 1, id), kind, request)
	return append(binary.AppendUvarint(nil, uint64(len(content))), content...)
}

func (s *centrifuge) upgrade() []byte {
	return upgradeRequest("/connection/websocket?format=protobuf", "centrifuge-protobuf")
}

func (s *centrifuge) ping() []byte { return nil }

func (s *centrifuge) hello(p *person, _ []byte) []byte {
	return mask(opBinary, command(1, commandConnect, putBytes(nil, 1, []byte(p.Token))))
}

func (s *centrifuge) welcome(_ *conn, data []byte) (bool, error) {
	size, start := varint(data, 0)
	if start > len(data) || size > uint64(len(data)-start) {
		return false, errShape
	}
	for at, reply := 0, data[start:start+int(size)]; at < len(reply); {
		tag, _, content, next := field(reply, at)
		if next < 0 {
			return false, errShape
		}
		switch tag >> 3 {
		case replyConnect:
			return true, nil
		case replyError:
			return false, replyProblem(content)
		}
		at = next
	}
	return false, errors.New("no answer to the connect command")
}

func replyProblem(content []byte) error {
	for at := 0; at < len(content); {
		tag, _, value, next := field(content, at)
		if next < 0 {
			break
		}
		if tag>>3 == 2 {
			return fmt.Errorf("refused: %s", value)
		}
		at = next
	}
	return errors.New("refused")
}

func (s *centrifuge) call(id int, method string, request []byte) []byte {
	rpc := putBytes(putBytes(nil, 1, request), 2, []byte(method))
	return mask(opBinary, command(uint64(id), commandRPC, rpc))
}

func (s *centrifuge) publish(room int64, payload []byte) []byte {
	request := putBytes(putBytes(nil, 1, fmt.Appendf(nil, "%d", room)), 2, payload)
	content := append([]byte{1 << 3}, idMark[:]...)
	content = putBytes(content, commandPublish, request)
	return append(binary.AppendUvarint(nil, uint64(len(content))), content...)
}

func (s *centrifuge) scan(l *loop, c *conn, data []byte, to sink) error {
	for at := 0; at < len(data); {
		size, start := varint(data, at)
		if start > len(data) || size > uint64(len(data)-start) {
			return errShape
		}
		at = start + int(size)
		if size == 0 {
			l.queue(c, s.pong)
		} else if err := s.reply(c, data[start:at], to); err != nil {
			return err
		}
		if c.fd < 0 {
			return nil
		}
	}
	return nil
}

func (s *centrifuge) reply(c *conn, reply []byte, to sink) error {
	var id uint64
	var answer []byte
	for at := 0; at < len(reply); {
		tag, number, content, next := field(reply, at)
		if next < 0 {
			return errShape
		}
		switch tag >> 3 {
		case 1:
			id = number
		case replyError:
			to.failed(c, id, replyProblem(content).Error())
			return nil
		case replyPush:
			if payload := publication(content); payload != nil {
				to.delivered(c, payload)
			}
			return nil
		case replyConnect:
			return nil // it was read as the welcome
		case replyRPC:
			_, _, answer, _ = field(content, 0)
		}
		at = next
	}
	to.answered(c, id, answer)
	return nil
}

// publication is the data of a Push, nil when it is of another kind.
func publication(push []byte) []byte {
	for at := 0; at < len(push); {
		tag, _, content, next := field(push, at)
		if next < 0 {
			return nil
		}
		if tag>>3 == 4 {
			for at := 0; at < len(content); {
				tag, _, data, next := field(content, at)
				if next < 0 {
					return nil
				}
				if tag>>3 == 4 {
					return data
				}
				at = next
			}
		}
		at = next
	}
	return nil
}
