"""A client for tests: it sends exactly what it is told, and keeps all that it receives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import trio
from google.protobuf.message import Message

from rpc.client.keys import new_key
from rpc.errors import CallError
from rpc.proto import frames_pb2
from rpc.proto.frames_pb2 import Call, ClientFrame, Hello, ServerFrame, Update
from rpc.registry import Method
from rpc.transport import Transport, TransportClosed
from rpc.wire import decode_server, encode_client

Dial = Callable[[Any], Any]


class Closed(Exception):
    """The server closed the connection, with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class TestClient:
    """One device of one user. `cursor` follows the checkpoints, so `reconnect` resumes."""

    __test__ = False  # not a test class for pytest

    def __init__(self, dial: Dial, methods: dict[str, Method], patience: float) -> None:
        self._dial = dial
        self._methods = methods
        self._patience = patience
        self._transport: Transport | None = None
        self._changed = trio.Event()
        self._calls = 0
        self._answers: dict[int, ServerFrame] = {}
        self.device_id = new_key()
        self.token = ""
        self.server = ""  # which one it is at, by its own words
        self.user_id = 0
        self.session_id = 0
        self.cursor = b""
        self.frames: list[ServerFrame] = []  # received and not yet expected
        self.updates: list[Update] = []  # every durable update so far, over all connections
        self.closed: Closed | None = None
        self.stream: Any = None  # the client's end, to be stalled or cut

    async def connect(self, *, resume: bool = False, hello: bool = True) -> None:
        """Opens a connection; with `hello` it says hello and waits for the welcome."""
        self.closed = None
        self._transport, self.stream = await self._dial(self)
        if hello:
            await self.send(
                ClientFrame(
                    hello=Hello(
                        token=self.token,
                        device_id=self.device_id,
                        device="test",
                        client="sunwire-test",
                        cursor=self.cursor if resume else b"",
                    )
                )
            )
            welcome = (await self.expect("welcome")).welcome
            self.user_id, self.session_id = welcome.user_id, welcome.session_id
            self.server = welcome.server
            if not resume:
                self.cursor = welcome.cursor

    async def sign_up(self, username: str, code_of: Callable[[str], Awaitable[str]]) -> None:
        """Connects as a new user; `code_of` gives the sign-in code that an address was sent."""
        await self.connect()
        address = f"{username}@example.org"
        await self.call("Auth.RequestCode", address=address)
        code = await code_of(address)
        answer = await self.call("Auth.SignInWithCode", address=address, code=code)
        answer = await self.call(
            "Auth.SignUp",
            ticket=answer.sign_up_ticket,
            username=username,
            name=username.title(),
        )
        self.token, self.cursor = answer.token, answer.cursor
        self.user_id, self.session_id = answer.user.id, answer.session_id

    async def reconnect(self) -> None:
        """Cuts the connection, opens another and resumes from the last checkpoint; returns
        when everything missed has come."""
        await self.disconnect()
        await self.connect(resume=True)
        await self.expect("caught_up")

    async def disconnect(self) -> None:
        """Breaks the connection off, without a close handshake."""
        if self._transport is not None:
            self._transport.abort()
            with trio.move_on_after(self._patience):
                while self.closed is None:
                    await self._changed.wait()
        self.frames.clear()

    async def send(self, *frames: ClientFrame) -> None:
        await self.send_bytes(encode_client(frames))

    async def send_bytes(self, data: bytes) -> None:
        """Sends a binary message as it is, however wrong."""
        assert self._transport is not None
        try:
            await self._transport.send(data)
        except TransportClosed as error:
            raise Closed(error.code, error.reason) from error

    async def call(self, name: str, request: Message | None = None, /, **options: Any) -> Any:
        """Calls `Service.Method` and returns its answer, or raises `CallError`.

        The request is given whole or by its fields; `op_key`, `timeout` (seconds) are the
        call's own.
        """
        op_key = options.pop("op_key", None)
        timeout = options.pop("timeout", 0)
        method = self._methods[name]
        request = request if request is not None else method.request(**options)
        self._calls += 1
        call = Call(
            id=self._calls,
            method=name,
            op_key=op_key or (new_key() if method.policy.mutating else b""),
            timeout_ms=int(timeout * 1000),
            payload=request.SerializeToString(),
        )
        await self.send(ClientFrame(call=call))
        frame = await self.answer(call.id)
        if frame.WhichOneof("frame") == "failure":
            failure = frame.failure
            raise CallError(
                failure.code,
                failure.message,
                retry_after_ms=failure.retry_after_ms,
                committed=failure.committed,
                details=dict(failure.details),
            )
        return method.answer.FromString(frame.result.payload)

    async def answer(self, call_id: int) -> ServerFrame:
        """The Result or Failure of a call."""
        with trio.fail_after(self._patience):
            while call_id not in self._answers:
                if self.closed is not None:
                    raise self.closed
                await self._changed.wait()
        return self._answers.pop(call_id)

    async def expect(self, kind: str, within: float | None = None) -> ServerFrame:
        """The next frame of a kind (`welcome`, `signal`, `caught_up`…); those before it stay."""
        with trio.fail_after(within or self._patience):
            while True:
                for index, frame in enumerate(self.frames):
                    if frame.WhichOneof("frame") == kind:
                        return self.frames.pop(index)
                if self.closed is not None:
                    raise self.closed
                await self._changed.wait()

    async def expect_update(self, kind: str, within: float | None = None) -> Update:
        """The next durable update of a kind (`message`, `post`…)."""
        with trio.fail_after(within or self._patience):
            while True:
                for index, frame in enumerate(self.frames):
                    if (
                        frame.WhichOneof("frame") == "update"
                        and frame.update.WhichOneof("body") == kind
                    ):
                        return self.frames.pop(index).update
                if self.closed is not None:
                    raise self.closed
                await self._changed.wait()

    async def expect_signal(self, kind: str, within: float | None = None) -> frames_pb2.Signal:
        """The next signal of a kind (`typing`, `presence`…)."""
        with trio.fail_after(within or self._patience):
            while True:
                for index, frame in enumerate(self.frames):
                    if (
                        frame.WhichOneof("frame") == "signal"
                        and frame.signal.WhichOneof("body") == kind
                    ):
                        return self.frames.pop(index).signal
                if self.closed is not None:
                    raise self.closed
                await self._changed.wait()

    async def expect_nothing(self, seconds: float = 1.0) -> None:
        """Nothing but checkpoints arrives in that time; what had come before is forgotten."""
        self.frames.clear()
        await trio.sleep(seconds)
        kinds = [frame.WhichOneof("frame") for frame in self.frames]
        unexpected = [kind for kind in kinds if kind != "checkpoint"]
        assert not unexpected, f"unexpected frames: {unexpected}"

    async def expect_closed(self) -> Closed:
        """The server closes the connection."""
        with trio.fail_after(self._patience):
            while self.closed is None:
                await self._changed.wait()
        return self.closed

    async def read(self, transport: Transport) -> None:
        """Receives until the connection ends; run by the server's nursery."""
        try:
            while True:
                for frame in decode_server(await transport.receive()):
                    self._take(frame)
                self._stir()
        except TransportClosed as error:
            self.closed = Closed(error.code, error.reason)
        finally:
            if self.closed is None:
                self.closed = Closed(1006, "aborted")
            self._stir()

    def _take(self, frame: ServerFrame) -> None:
        kind = frame.WhichOneof("frame")
        if kind == "result":
            self._answers[frame.result.id] = frame
            return
        if kind == "failure":
            self._answers[frame.failure.id] = frame
            return
        if kind == "checkpoint":
            self.cursor = frame.checkpoint.cursor
        elif kind == "resync":
            self.cursor = frame.resync.cursor
        elif kind == "update":
            self.updates.append(frame.update)
        self.frames.append(frame)

    def _stir(self) -> None:
        changed, self._changed = self._changed, trio.Event()
        changed.set()
