// Command load is the clients of the comparison: one thread, one epoll set, messages that are
// made beforehand, and no allocation for a message. It is told what to do by one JSON object
// on stdin and answers with one on stdout.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
)

// person is one session to open: a token, whose it is, and the rooms that it has.
type person struct {
	Token  string  `json:"token"`
	UserID int64   `json:"user_id"`
	Rooms  []int64 `json:"rooms"`
}

// task is what to do. Times are in seconds, sizes in bytes.
type task struct {
	Mode        string   `json:"mode"`    // calls, fanout, hello, idle, storm
	Dialect     string   `json:"dialect"` // sunwire, centrifuge
	Port        int      `json:"port"`
	PID         int      `json:"pid"` // of the server
	People      []person `json:"people"`
	Connections int      `json:"connections"` // how many of the people; 0: all
	Opening     int      `json:"opening"`     // handshakes under way at a time
	WarmUp      float64  `json:"warm_up"`
	Seconds     float64  `json:"seconds"` // of the measured window
	InFlight    int      `json:"in_flight"`
	Rate        float64  `json:"rate"`      // calls or publications a second; 0: as fast as they end
	Method      string   `json:"method"`    // calls: Echo, EchoAwait
	Size        int      `json:"size"`      // of the payload
	Room        int64    `json:"room"`      // fanout
	Durable     bool     `json:"durable"`   // fanout: stored messages instead of broadcasts
	Stalled     int      `json:"stalled"`   // fanout: members that stop reading for the window
	Speaker     *person  `json:"speaker"`   // storm: who sends what is missed
	Jitter      float64  `json:"jitter"`    // storm: the returns are spread over it
	Heartbeat   float64  `json:"heartbeat"` // pause between the pings of a connection; 0: none
	Patience    float64  `json:"patience"`  // for what is under way at the end
}

// figures is what was seen. CPU is in shares of one core, memory is the server's resident one.
type figures struct {
	Mode            string  `json:"mode"`
	Seconds         float64 `json:"seconds"`
	Count           int64   `json:"count"` // calls, deliveries or sessions in the window
	PerSecond       float64 `json:"per_second"`
	PerCPU          float64 `json:"per_cpu_second"` // of the server
	P50             float64 `json:"p50_ms"`
	P90             float64 `json:"p90_ms"`
	P99             float64 `json:"p99_ms"`
	Max             float64 `json:"max_ms"`
	Publications    int64   `json:"publications"`
	Lost            int64   `json:"lost"`    // answers and deliveries that never came
	Doubled         int64   `json:"doubled"` // that came twice, or out of turn
	Wrong           int64   `json:"wrong"`   // with other bytes than they should have
	Errors          int64   `json:"errors"`  // refused calls, lost connections
	FirstError      string  `json:"first_error"`
	ServerCPU       float64 `json:"server_cpu"`
	LoadCPU         float64 `json:"load_cpu"`
	OtherCPU        float64 `json:"other_cpu"` // of all other processes here: noise
	Opened          int64   `json:"opened"`
	OpenedPerSecond float64 `json:"opened_per_second"`
	Retries         int64   `json:"retries"`
	TimeToLast      float64 `json:"time_to_last_s"`
	Lagged          int64   `json:"lagged"`         // storm, fanout: times a member was told so
	StalledMissed   int64   `json:"stalled_missed"` // broadcasts that stalled members did not get
	KiBBefore       int64   `json:"kib_before"`     // before the first connection
	KiBAfter        int64   `json:"kib_after"`      // with all of them
	KiBMax          int64   `json:"kib_max"`        // the highest seen in the window
}

func (f *figures) latency(h *histogram) {
	f.P50, f.P90, f.P99, f.Max = h.ms(0.5), h.ms(0.9), h.ms(0.99), h.ms(1)
}

func run(t *task) (*figures, error) {
	var speech dialect
	switch t.Dialect {
	case "sunwire":
		speech = newSunwire(t.Durable || t.Mode == "storm")
	case "centrifuge":
		speech = newCentrifuge()
	default:
		return nil, fmt.Errorf("no dialect %q", t.Dialect)
	}
	if t.Connections == 0 {
		t.Connections = len(t.People)
	}
	if t.Connections > len(t.People) || t.Connections == 0 {
		return nil, fmt.Errorf("%d connections of %d people", t.Connections, len(t.People))
	}
	t.Opening, t.InFlight = max(t.Opening, 1), max(t.InFlight, 1)
	l, err := newLoop(t.Port, speech)
	if err != nil {
		return nil, err
	}
	b := newBase(l, t)
	switch t.Mode {
	case "calls":
		err = runCalls(b)
	case "fanout":
		err = runFanout(b)
	case "hello":
		err = runHello(b)
	case "idle":
		err = runIdle(b)
	case "storm":
		err = runStorm(b)
	default:
		err = fmt.Errorf("no mode %q", t.Mode)
	}
	for _, c := range l.conns {
		l.close(c)
	}
	return &b.figures, err
}

// settle leaves nothing to collect, and collects nothing from here on.
func settle() {
	runtime.GC()
	debug.SetGCPercent(-1)
}

func main() {
	runtime.GOMAXPROCS(1)
	debug.SetMemoryLimit(6 << 30)
	var t task
	if err := json.NewDecoder(os.Stdin).Decode(&t); err != nil {
		fmt.Fprintln(os.Stderr, "the task:", err)
		os.Exit(2)
	}
	f, err := run(&t)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(f)
}
