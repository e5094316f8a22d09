package main

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func TestFields(t *testing.T) {
	data := putBytes(putNumber(nil, 1, 300), 2, []byte("text"))
	tag, number, _, at := field(data, 0)
	if tag>>3 != 1 || number != 300 {
		t.Fatalf("%d %d", tag>>3, number)
	}
	tag, _, content, at := field(data, at)
	if tag>>3 != 2 || string(content) != "text" || at != len(data) {
		t.Fatalf("%d %q %d", tag>>3, content, at)
	}
	for end := range data {
		for at := 0; at < end; { // cut anywhere: the end is found, nothing is read beyond it
			if _, _, _, at = field(data[:end], at); at < 0 {
				break
			}
		}
	}
}

func TestGarbageIsNoField(t *testing.T) {
	for _, bad := range [][]byte{{}, {0x80}, {0x0a}, {0x0a, 5, 1}, {0x0b}, {0x09, 1}, {0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}} {
		if _, _, _, next := field(bad, 0); next != -1 {
			t.Errorf("%x was a field", bad)
		}
	}
}

func TestIdsComeBackAsTheirNumbers(t *testing.T) {
	for _, newest := range []int64{1, 5, idRange - 1, idRange, idRange + 1, 3*idRange + 7} {
		for number := max(1, newest-1000); number <= newest; number++ {
			mark := idOf(number)
			id, size := binary.Uvarint(mark[:])
			if size != 4 {
				t.Fatalf("an id of %d bytes", size)
			}
			if found := numberOf(id, newest); found != number {
				t.Fatalf("%d instead of %d of %d", found, number, newest)
			}
		}
	}
}

// heard keeps what a dialect tells.
type heard struct {
	quiet
	answers    map[uint64][]byte
	deliveries [][]byte
	texts      []string
	failures   int
	caught     int
}

func (h *heard) answered(_ *conn, id uint64, payload []byte) { h.answers[id] = bytes.Clone(payload) }
func (h *heard) failed(*conn, uint64, string)                { h.failures++ }
func (h *heard) delivered(_ *conn, payload []byte) {
	h.deliveries = append(h.deliveries, bytes.Clone(payload))
}
func (h *heard) stored(_ *conn, _ int64, text []byte) { h.texts = append(h.texts, string(text)) }
func (h *heard) caughtUp(*conn)                       { h.caught++ }

func serverFrame(kind byte, content []byte) []byte {
	return putBytes(nil, 1, putBytes(nil, kind, content))
}

func TestABatchIsToldFrameByFrame(t *testing.T) {
	broadcast := putBytes(putNumber(putNumber(nil, 1, 9), 2, 8), 3, []byte("news"))
	message := putBytes(putNumber(nil, 1, 4), 6, []byte("000000000012 hello"))
	typing := putNumber(nil, 1, 3)
	batch := bytes.Join([][]byte{
		serverFrame(serverResult, putBytes(putNumber(nil, 1, 7), 2, []byte("answer"))),
		serverFrame(serverSignal, putBytes(nil, 6, broadcast)),
		serverFrame(serverSignal, putBytes(nil, 1, typing)),
		serverFrame(serverUpdate, putBytes(putNumber(nil, 3, 55), 10, message)),
		serverFrame(serverUpdate, putBytes(putNumber(nil, 3, 56), 12, nil)),
		serverFrame(serverCheckpoint, putBytes(nil, 1, []byte("cursor"))),
		serverFrame(serverFailure, putNumber(putNumber(nil, 1, 8), 2, 6)),
		serverFrame(serverCaughtUp, nil),
	}, nil)
	h := &heard{answers: map[uint64][]byte{}}
	c := &conn{fd: 3}
	if err := newSunwire(false).scan(nil, c, batch, h); err != nil {
		t.Fatal(err)
	}
	if string(h.answers[7]) != "answer" || len(h.answers) != 1 || h.failures != 1 || h.caught != 1 {
		t.Errorf("%v", h)
	}
	if len(h.deliveries) != 1 || string(h.deliveries[0]) != "news" {
		t.Errorf("%q", h.deliveries)
	}
	if len(h.texts) != 1 || h.texts[0] != "000000000012 hello" || string(c.cursor) != "cursor" {
		t.Errorf("%q %q", h.texts, c.cursor)
	}
	for end := 1; end < len(batch); end++ { // cut anywhere it is an error or a shorter batch
		_ = newSunwire(false).scan(nil, c, batch[:end], h)
	}
}

func TestRepliesOfCentrifuge(t *testing.T) {
	reply := func(content []byte) []byte {
		return append(binary.AppendUvarint(nil, uint64(len(content))), content...)
	}
	publication := putBytes(nil, 4, []byte("news"))
	data := bytes.Join([][]byte{
		reply(putBytes(putNumber(nil, 1, 7), replyRPC, putBytes(nil, 1, []byte("answer")))),
		reply(putBytes(nil, replyPush, putBytes(putBytes(nil, 2, []byte("1")), 4, publication))),
		reply(putBytes(putNumber(nil, 1, 300), commandPublish+1, nil)),
		reply(putBytes(putNumber(nil, 1, 8), replyError, putBytes(nil, 2, []byte("no")))),
	}, nil)
	h := &heard{answers: map[uint64][]byte{}}
	if err := newCentrifuge().scan(nil, &conn{fd: 3}, data, h); err != nil {
		t.Fatal(err)
	}
	if string(h.answers[7]) != "answer" || len(h.answers) != 2 || h.failures != 1 {
		t.Errorf("%v", h)
	}
	if len(h.deliveries) != 1 || string(h.deliveries[0]) != "news" {
		t.Errorf("%q", h.deliveries)
	}
}

func TestMarksStandWhereTheDialectsSay(t *testing.T) {
	for _, speech := range []dialect{newSunwire(false), newCentrifuge()} {
		content := speech.publish(5, append(bytes.Clone(numberMark[:]), "xx"...))
		if len(places(content, idMark[:])) != 1 || len(places(content, numberMark[:])) != 1 {
			t.Errorf("%T: %x", speech, content)
		}
	}
	content := newSunwire(true).publish(5, textMark)
	if len(places(content, numberMark[:])) != 2 || len(places(content, textMark)) != 1 {
		t.Errorf("%x", content)
	}
}
