"""Sunwire as it is compared: a whole node on SQLite, with one service more.

Sessions are authenticated, calls take the way of every call: codec, dispatch, rates, limits,
metrics. The service answers from memory, as those of the peers do. Takes the settings of
`serve`; what protects a server from its clients is set out of the way.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated

import cyclopts
import trio

from bench.compare.proto.payload_pb2 import (
    EchoRequest,
    EchoResponse,
    PublishRequest,
    PublishResponse,
)
from bench.compare.proto.stubs import BenchService
from realtime.app import Parts, build
from realtime.core import Core, CoreLimits
from realtime.files import Doors, FileLimit, raise_file_limit
from realtime.gateway.limits import GatewayLimits
from realtime.logs import configure
from realtime.serving import tune_collector
from realtime.settings import Settings
from realtime.startup import listen
from rpc.context import CallContext
from rpc.dispatch import CallLimits
from rpc.errors import CallError, Code
from rpc.proto.frames_pb2 import Broadcast, Signal
from rpc.rates import Rate
from store.sqlite import SqliteStore

UNLIMITED = Rate(per_second=1e9, burst=1e9)


class Bench(BenchService):
    """What every peer does too: echo, echo after one await, tell a room."""

    core: Core  # there only once the services are given to it

    def echo(self, ctx: CallContext, request: EchoRequest) -> EchoResponse:
        return EchoResponse(number=request.number, text=request.text)

    async def echo_await(self, ctx: CallContext, request: EchoRequest) -> EchoResponse:
        await trio.lowlevel.checkpoint()
        return EchoResponse(number=request.number, text=request.text)

    def publish(self, ctx: CallContext, request: PublishRequest) -> PublishResponse:
        signals = self.core.signals
        if not signals.is_member_online(request.room_id, ctx.user_id):
            raise CallError(Code.PERMISSION_DENIED, "not a member")
        broadcast = Broadcast(room_id=request.room_id, user_id=ctx.user_id, payload=request.payload)
        signals.to_room(request.room_id, Signal(broadcast=broadcast))
        return PublishResponse()


def limits(settings: Settings) -> CoreLimits:
    return CoreLimits(
        gateway=GatewayLimits(
            heartbeat=settings.heartbeat,
            max_connections=settings.max_connections,
            handshake_timeout=settings.handshake,
            hello_timeout=settings.handshake,
            send_timeout=settings.stall,
            frame_rate=UNLIMITED,
            hello_rate=UNLIMITED,
        ),
        calls=CallLimits(user_rate=UNLIMITED),
    )


async def serve(settings: Settings) -> None:
    """Serves until it is killed; says on stdout where, once it does."""
    files = raise_file_limit()
    store = SqliteStore.open(settings.database, readers=settings.readers)
    bench = Bench()
    try:
        built = await build(
            Parts(
                store=store,
                limits=limits(settings),
                services=[bench],
                fast=Parts.fast if settings.transport == "auto" else settings.transport == "fast",
            )
        )
        bench.core = built.core
        async with built.core.running(settings.grace):
            await _listen(settings, built.core, files)
    finally:
        with trio.CancelScope(shield=True):
            await store.aclose()


async def _listen(settings: Settings, core: Core, files: FileLimit) -> None:
    async with trio.open_nursery() as nursery:
        sockets = await listen("websocket", "listen", settings.listen)
        listeners = [*Doors(files, core.metrics, nursery).guard(sockets)]
        print(
            json.dumps({"event": "serving", "port": sockets[0].socket.getsockname()[1]}),
            flush=True,
        )
        for listener in listeners:
            nursery.start_soon(core.gateway.accept, listener, nursery)


app = cyclopts.App(name="sunwire-compared", help="Sunwire with the service of the comparison.")


@app.default
def main(settings: Annotated[Settings, cyclopts.Parameter(name="*")] = Settings()) -> None:  # noqa: B008
    configure(settings.log_level, settings.log_format)
    if settings.listen == Settings.listen:
        settings = dataclasses.replace(settings, listen="127.0.0.1:0")
    tune_collector()
    trio.run(serve, settings)


if __name__ == "__main__":
    app()
