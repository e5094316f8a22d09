package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// The first byte of a whole frame. A server that fragments is not for this client.
const (
	opBinary = 0x82
	opClose  = 0x88
	opPing   = 0x89
	opPong   = 0x8a
)

// Not zero, so that no server can have it easier than with a browser; always the same, so that
// frames can be made beforehand.
var maskKey = [4]byte{0x37, 0xfa, 0x21, 0x3d}

const (
	websocketKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	websocketAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" // for that key, RFC 6455 section 1.3
)

type frame struct {
	opcode  byte
	payload []byte
}

func (f frame) reason() string {
	if len(f.payload) < 2 {
		return "closed without a code"
	}
	return fmt.Sprintf("closed with %d %s", binary.BigEndian.Uint16(f.payload), f.payload[2:])
}

// parse reads one unmasked frame and returns its size, 0 while it is not whole.
func parse(data []byte) (frame, int) {
	if len(data) < 2 {
		return frame{}, 0
	}
	size, start := int(data[1]), 2
	if size == 126 {
		if len(data) < 4 {
			return frame{}, 0
		}
		size, start = int(binary.BigEndian.Uint16(data[2:])), 4
	} else if size == 127 {
		if len(data) < 10 {
			return frame{}, 0
		}
		size, start = int(binary.BigEndian.Uint64(data[2:])), 10
	}
	if len(data)-start < size {
		return frame{}, 0
	}
	return frame{data[0], data[start : start+size]}, start + size
}

// mask makes a client's frame.
func mask(opcode byte, payload []byte) []byte {
	out := []byte{opcode}
	switch size := len(payload); {
	case size < 126:
		out = append(out, 0x80|byte(size))
	case size < 65536:
		out = binary.BigEndian.AppendUint16(append(out, 0x80|126), uint16(size))
	default:
		out = binary.BigEndian.AppendUint64(append(out, 0x80|127), uint64(size))
	}
	out = append(out, maskKey[:]...)
	for i, b := range payload {
		out = append(out, b^maskKey[i&3])
	}
	return out
}

// template is a masked frame in which some bytes change from use to use.
type template struct {
	bytes []byte
	start int // of the payload
}

func newTemplate(payload []byte) template {
	masked := mask(opBinary, payload)
	return template{masked, len(masked) - len(payload)}
}

// set writes bytes at an offset of the payload.
func (t template) set(at int, value []byte) {
	for i, b := range value {
		t.bytes[t.start+at+i] = b ^ maskKey[(at+i)&3]
	}
}

func upgradeRequest(path, protocol string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n" +
		"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + websocketKey +
		"\r\nSec-WebSocket-Protocol: " + protocol + "\r\n\r\n")
}

// head returns the size of the answer to the upgrade, 0 while it is not whole or when it is
// none, and then why.
func head(data []byte) (int, string) {
	end := bytes.Index(data, []byte("\r\n\r\n"))
	if end < 0 {
		return 0, ""
	}
	text := string(data[:end])
	if !strings.HasPrefix(text, "HTTP/1.1 101") || !strings.Contains(text, websocketAccept) {
		return 0, "no upgrade: " + strings.SplitN(text, "\r\n", 2)[0]
	}
	return end + 4, ""
}
