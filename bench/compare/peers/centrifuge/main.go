// Command centrifuge-server is the Go library centrifuge, doing the work that the other servers
// of the comparison do, over its own client protocol in protobuf.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/centrifugal/centrifuge"
	"google.golang.org/protobuf/proto"
)

func main() {
	batch := flag.Bool("batch", false, "write with the batching options that the library has")
	flag.Parse()
	if err := serve(*batch); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// options are the library's, as it ships or set for the most deliveries.
type options struct {
	node      centrifuge.Config
	connect   centrifuge.ConnectReply
	websocket centrifuge.WebsocketConfig
}

func chosen(batch bool) options {
	var o options
	o.node.LogLevel = centrifuge.LogLevelNone
	if batch {
		debug.SetGCPercent(400)
		// What a client gets within a millisecond leaves in one frame of any length, written by
		// a timer instead of a goroutine each. Of the options and their combinations (a delay a
		// channel, replies past the queue, other delays) these gave the most deliveries.
		o.connect.WriteDelay = time.Millisecond
		o.connect.WriteWithTimer = true
		o.connect.MaxMessagesInFrame = -1
		o.websocket.UseWriteBufferPool = true
	}
	return o
}

func serve(batch bool) error {
	o := chosen(batch)
	node, err := centrifuge.New(o.node)
	if err != nil {
		return err
	}
	node.OnConnecting(func(_ context.Context, e centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		user, rooms, _ := strings.Cut(e.Token, ":")
		reply := o.connect
		reply.Credentials = &centrifuge.Credentials{UserID: user}
		reply.Subscriptions = map[string]centrifuge.SubscribeOptions{}
		for room := range strings.SplitSeq(rooms, ",") {
			if room != "" {
				reply.Subscriptions[room] = centrifuge.SubscribeOptions{}
			}
		}
		return reply, nil
	})
	node.OnConnect(func(client *centrifuge.Client) {
		client.OnRPC(func(e centrifuge.RPCEvent, answer centrifuge.RPCCallback) {
			switch e.Method {
			case "Echo":
				answer(echo(e.Data))
			case "EchoAwait": // as the library asks it of handlers that may wait
				go func() {
					runtime.Gosched()
					answer(echo(e.Data))
				}()
			default:
				answer(centrifuge.RPCReply{}, centrifuge.ErrorMethodNotFound)
			}
		})
		client.OnPublish(func(e centrifuge.PublishEvent, answer centrifuge.PublishCallback) {
			if !client.IsSubscribed(e.Channel) {
				answer(centrifuge.PublishReply{}, centrifuge.ErrorPermissionDenied)
				return
			}
			answer(centrifuge.PublishReply{}, nil)
		})
	})
	if err := node.Run(); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/connection/websocket", centrifuge.NewWebsocketHandler(node, o.websocket))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("{\"event\": \"serving\", \"port\": %d}\n", listener.Addr().(*net.TCPAddr).Port)
	return http.Serve(listener, mux)
}

func echo(data []byte) (centrifuge.RPCReply, error) {
	var request EchoRequest
	if err := proto.Unmarshal(data, &request); err != nil {
		return centrifuge.RPCReply{}, centrifuge.ErrorBadRequest
	}
	answer, err := proto.Marshal(&EchoResponse{Number: request.Number, Text: request.Text})
	return centrifuge.RPCReply{Data: answer}, err
}
