"""What the operations port says while a server sends its clients away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio

from realtime.app import run
from realtime.settings import Settings
from realtime.startup import Listening
from rpc.client import dial_url
from rpc.proto.frames_pb2 import ServerFrame
from rpc.transport import Transport
from rpc.wire import decode_server, encode_client
from tests.realtime.gateway.hand import call_frame, hello_frame, waiting
from tests.rpc.probe import Ask, Probe, Told

pytestmark = pytest.mark.real

HERE = "127.0.0.1:0"  # a free port


async def get(where: tuple[str, int], path: str) -> tuple[int, bytes]:
    stream = await trio.open_tcp_stream(*where)
    async with stream:
        await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = b"".join([bytes(part) async for part in stream])
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


async def frame(transport: Transport, kind: str) -> ServerFrame:
    """The next frame of the kind; others are passed over."""
    while True:
        for one in decode_server(await transport.receive()):
            if one.WhichOneof("frame") == kind:
                return one


async def test_a_draining_server_is_alive_and_not_ready(tmp_path: Path) -> None:
    """A call in flight holds the drain: until it is answered, and not a moment longer."""
    probe, opened, stop = Probe(), trio.Event(), trio.Event()
    probe.behave = waiting(opened)
    settings = Settings(data=tmp_path, listen=HERE, media=HERE, ops=HERE, grace=30)
    stopped = trio.Event()

    async def serve(task_status: trio.TaskStatus[Listening]) -> None:
        await run(settings, stop=stop, services=[probe], task_status=task_status)
        stopped.set()

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            where: Listening = await nursery.start(serve)
            assert (await get(where.ops, "/readyz"))[0] == 200
            dial = dial_url("ws://{}:{}".format(*where.websocket))
            client = await dial(nursery)
            await client.send(encode_client([hello_frame(), call_frame(1, "Open", Ask(count=4))]))
            await frame(client, "welcome")
            stop.set()
            await frame(client, "go_away")

            status, body = await get(where.ops, "/readyz")
            assert status == 503
            assert json.loads(body) == {"ready": False, "missing": {"gateway": "draining"}}
            assert (await get(where.ops, "/healthz"))[0] == 200
            assert b"sunwire_connections 1.0" in (await get(where.ops, "/metrics"))[1]
            with pytest.raises(OSError, match=r"."):
                await trio.open_tcp_stream(*where.websocket)  # nobody new
            assert not stopped.is_set()

            opened.set()
            result = (await frame(client, "result")).result
            assert Told.FromString(result.payload).number == 4
            await stopped.wait()
            with pytest.raises(OSError, match=r"."):
                await trio.open_tcp_stream(*where.ops)
            nursery.cancel_scope.cancel()
