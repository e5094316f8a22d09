package main

import (
	"bytes"
	"strings"
	"testing"
)

func unmask(t *testing.T, data []byte) (byte, []byte) {
	t.Helper()
	if data[1]&0x80 == 0 {
		t.Fatal("not masked")
	}
	plain := bytes.Clone(data)
	plain[1] &^= 0x80
	start := 2
	switch plain[1] {
	case 126:
		start = 4
	case 127:
		start = 10
	}
	plain = append(plain[:start], plain[start+4:]...)
	for i := range plain[start:] {
		plain[start+i] ^= maskKey[i&3]
	}
	frame, size := parse(plain)
	if size != len(plain) {
		t.Fatalf("%d of %d bytes", size, len(plain))
	}
	return frame.opcode, frame.payload
}

func TestFramesOfEverySizeCome(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 127, 65535, 65536, 70000} {
		payload := bytes.Repeat([]byte("abc"), size)[:size]
		opcode, found := unmask(t, mask(opBinary, payload))
		if opcode != opBinary || !bytes.Equal(found, payload) {
			t.Errorf("%d bytes came as %d", size, len(found))
		}
	}
}

func TestAPartOfAFrameIsNone(t *testing.T) {
	whole := append([]byte{opBinary, 126, 0, 200}, bytes.Repeat([]byte{7}, 200)...)
	for end := range whole {
		if _, size := parse(whole[:end]); size != 0 {
			t.Fatalf("a frame of %d of %d bytes", end, len(whole))
		}
	}
	if frame, size := parse(append(whole, 1, 2)); size != len(whole) || len(frame.payload) != 200 {
		t.Fatalf("%d bytes", size)
	}
}

func TestATemplateIsAsIfMadeAnew(t *testing.T) {
	content := []byte("0123456789abcdef")
	for at := range 12 {
		changed := newTemplate(content)
		changed.set(at, []byte("WXYZ"))
		_, found := unmask(t, changed.bytes)
		if want := string(content[:at]) + "WXYZ" + string(content[at+4:]); string(found) != want {
			t.Errorf("%q instead of %q", found, want)
		}
	}
}

func TestTheAnswerToAnUpgrade(t *testing.T) {
	good := "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: " + websocketAccept + "\r\n\r\n"
	if size, why := head([]byte(good + "rest")); size != len(good) || why != "" {
		t.Errorf("%d %q", size, why)
	}
	if size, why := head([]byte(good[:len(good)-1])); size != 0 || why != "" {
		t.Errorf("%d %q", size, why)
	}
	for _, bad := range []string{"HTTP/1.1 400 Bad Request\r\n\r\n", strings.Replace(good, "s3p", "x3p", 1)} {
		if size, why := head([]byte(bad)); size != 0 || why == "" {
			t.Errorf("%q was taken", bad)
		}
	}
}
