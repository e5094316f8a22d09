"""A service that says everything back: the codec under the barest possible loop.

    python -m tests.autobahn.echo [--port 9001]

It listens on loopback and prints its port. `tests/autobahn/run.py` runs it; it is for the
conformance suite, which sends what no client of the product would, and is bounded only by that.
"""

from __future__ import annotations

import argparse
import selectors
import socket

from realtime.gateway.websocket import (
    BadHandshake,
    CloseFrame,
    Decoder,
    Handshake,
    Message,
    Ping,
    Text,
    Violation,
    close_frame,
    frame,
    pong,
)
from realtime.gateway.websocket.encode import text_frame

MAX_MESSAGE = 16 * 1024 * 1024  # the largest message of the suite
READ = 64 * 1024


class Connection:
    """One client, from its handshake to its end. While something waits to be written nothing is
    read."""

    def __init__(self, sock: socket.socket, selector: selectors.BaseSelector) -> None:
        self._socket = sock
        self._selector = selector
        self._handshake: Handshake | None = Handshake()
        self._decoder = Decoder(MAX_MESSAGE)
        self._unsent = bytearray()
        self._last_word = False  # all is said: only the peer's end is awaited
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(sock, selectors.EVENT_READ, self)

    def ready(self, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                self._flush()
            elif data := self._socket.recv(READ):
                if not self._last_word:
                    self._received(data)
            else:
                self._end()
        except OSError:
            self._end()

    def _received(self, data: bytes) -> None:
        if self._handshake is not None:
            try:
                request = self._handshake.feed(data)
            except BadHandshake as error:
                self._unsent += error.response
                self._last_word = True
                self._flush()
                return
            if request is None:
                return
            self._unsent += self._handshake.accept()
            data = self._handshake.trailing
            self._handshake = None
        for message in self._decoder.feed(data):
            self._answer(message)
        self._flush()

    def _answer(self, message: Message) -> None:
        if type(message) is bytes:
            self._unsent += frame(message)
        elif isinstance(message, Text):
            self._unsent += text_frame(message.text)
        elif isinstance(message, Ping):
            self._unsent += pong(message.payload)
        elif isinstance(message, CloseFrame):
            self._unsent += close_frame(message.code)
            self._last_word = True
        elif isinstance(message, Violation):
            self._unsent += close_frame(message.code, message.reason)
            self._last_word = True

    def _flush(self) -> None:
        while self._unsent:
            try:
                sent = self._socket.send(self._unsent)
            except BlockingIOError:
                self._selector.modify(self._socket, selectors.EVENT_WRITE, self)
                return
            del self._unsent[:sent]
        if self._last_word:
            # Closing at once, with bytes unread, would reset the connection under our last frame.
            self._socket.shutdown(socket.SHUT_WR)
        self._selector.modify(self._socket, selectors.EVENT_READ, self)

    def _end(self) -> None:
        self._selector.unregister(self._socket)
        self._socket.close()


def serve(port: int) -> None:
    selector = selectors.DefaultSelector()
    with socket.create_server(("127.0.0.1", port)) as listener:
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ)
        print(f"listening on {listener.getsockname()[1]}", flush=True)
        while True:
            for key, events in selector.select():
                if isinstance(key.data, Connection):
                    key.data.ready(events)
                else:
                    Connection(listener.accept()[0], selector)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--port", type=int, default=0)
    serve(parser.parse_args().port)


if __name__ == "__main__":
    main()
