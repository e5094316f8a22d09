package main

// dialect is what a server and its clients say to each other inside websocket messages.
type dialect interface {
	upgrade() []byte
	// hello is said first; with a cursor the server also tells what was missed since.
	hello(p *person, cursor []byte) []byte
	// welcome reads the first messages; done once the session is good.
	welcome(c *conn, data []byte) (done bool, err error)
	// call is a whole message that calls a method with an EchoRequest. Ids are below 128.
	call(id int, method string, request []byte) []byte
	// publish is the content of a message that sends one publication to a room. In it stand
	// `idMark` for the id, and `numberMark` or `textMark` wherever its number belongs.
	publish(room int64, payload []byte) []byte
	// ping is what keeps an idle connection, nil where nothing is needed.
	ping() []byte
	// scan tells a sink what a message holds.
	scan(l *loop, c *conn, data []byte, to sink) error
}

// sink is told what came. The bytes are good until it returns.
type sink interface {
	answered(c *conn, id uint64, payload []byte)
	failed(c *conn, id uint64, why string)
	// delivered: a publication that nobody keeps.
	delivered(c *conn, payload []byte)
	// stored: a durable message, at a position of the log.
	stored(c *conn, position int64, text []byte)
	lagging(c *conn)
	caughtUp(c *conn)
}

// quiet is a sink that expects nothing: scenarios embed it and take what is theirs.
type quiet struct{ unexpected int }

func (q *quiet) answered(*conn, uint64, []byte) { q.unexpected++ }
func (q *quiet) failed(*conn, uint64, string)   { q.unexpected++ }
func (q *quiet) delivered(*conn, []byte)        { q.unexpected++ }
func (q *quiet) stored(*conn, int64, []byte)    { q.unexpected++ }
func (q *quiet) lagging(*conn)                  {}
func (q *quiet) caughtUp(*conn)                 {}

// Ids of publications: four bytes as a varint, whatever their value.
const (
	idBase  = 1 << 21
	idRange = 1 << 21
)

var (
	idMark     = fourBytes(idBase + 0x155555)
	numberMark = [8]byte{0xd1, 0xc2, 0xb3, 0xa4, 0x95, 0x86, 0x77, 0x68} // of eight bytes
	textMark   = []byte("#the-number#")                                  // of twelve digits
)

func fourBytes(id uint64) [4]byte {
	return [4]byte{byte(id) | 0x80, byte(id>>7) | 0x80, byte(id>>14) | 0x80, byte(id >> 21)}
}

func idOf(number int64) [4]byte { return fourBytes(idBase + uint64(number%idRange)) }

// numberOf finds the newest number at or below `newest` with this id.
func numberOf(id uint64, newest int64) int64 {
	low := int64(id) - idBase
	number := newest - newest%idRange + low
	if number > newest {
		number -= idRange
	}
	return number
}

func echoRequest(number int, text string) []byte {
	return putBytes(putNumber(nil, 1, uint64(number)), 2, []byte(text))
}
