"""What a call costs in the session alone: no socket, no other process.

`python -m bench.session` feeds encoded calls to a signed-in session and prints microseconds of
processor time a call, for a handler that never waits and for one that does; `--profile` adds
where they go.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import tempfile
import time
from pathlib import Path

import trio

from realtime.app import Parts, build
from realtime.bench.population import populate
from realtime.core import CoreLimits
from realtime.gateway.limits import GatewayLimits
from realtime.gateway.session import Session
from realtime.serving import tune_collector
from rpc.dispatch import CallLimits
from rpc.proto.chat_pb2 import SetActivityRequest
from rpc.proto.frames_pb2 import ACTIVITY_TYPING, Call, ClientBatch, ClientFrame, Hello
from rpc.proto.users_pb2 import CheckUsernameRequest
from rpc.rates import Rate
from store.sqlite import SqliteStore

LIMITS = CoreLimits(
    gateway=GatewayLimits(frame_rate=Rate(1e9, 1e9)),
    calls=CallLimits(user_rate=Rate(1e9, 1e9)),
)


class Sink:
    """A socket that is never full."""

    peer = ""

    def __init__(self) -> None:
        self.session: Session | None = None
        self.woken = trio.Event()

    def wake(self) -> None:
        self.woken.set()

    def resume(self) -> None:
        self.woken.set()

    def close(self, code: int, reason: str) -> None:
        raise AssertionError(f"closed: {code} {reason}")

    def abort(self) -> None:
        raise AssertionError("aborted")


def message(*frames: ClientFrame) -> bytes:
    return ClientBatch(frames=frames).SerializeToString()


async def main(calls: int, profile: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        people = await populate(Path(folder) / "sunwire.db", 2, "alone")
        store = SqliteStore.open(Path(folder) / "sunwire.db")
        core, _ = await build(Parts(store=store, limits=LIMITS))
        async with core.running(0.1):
            sink = Sink()
            session = core.gateway.sessions.open(sink)
            session.received(message(ClientFrame(hello=Hello(token=people[0].token))))
            while not session.wants_more or not session.outbox.waits:  # noqa: ASYNC110
                await trio.sleep(0.01)
            session.take()
            request = SetActivityRequest(room_id=people[0].room_id, activity=ACTIVITY_TYPING)
            inline = [
                message(
                    ClientFrame(
                        call=Call(
                            id=number,
                            method="Chat.SetActivity",
                            payload=request.SerializeToString(),
                        )
                    )
                )
                for number in range(1, calls + 1)
            ]
            profiler = cProfile.Profile()
            for _ in range(3):
                if profile:
                    profiler.enable()
                begun = time.thread_time()
                for data in inline:
                    session.received(data)
                    session.take()
                spent = time.thread_time() - begun
                profiler.disable()
                print(f"inline: {spent / calls * 1e6:.2f} µs a call")
            waiting = [
                message(
                    ClientFrame(
                        call=Call(
                            id=number,
                            method="Users.CheckUsername",
                            payload=CheckUsernameRequest(username="a").SerializeToString(),
                        )
                    )
                )
                for number in range(1, calls + 1)
            ]
            for _ in range(3):
                begun = time.thread_time()
                for start in range(0, calls, 50):
                    for data in waiting[start : start + 50]:
                        session.received(data)
                    while core.gateway.node.workers.busy:
                        await trio.lowlevel.checkpoint()
                    session.take()
                spent = time.thread_time() - begun
                print(f"awaiting (no read): {spent / calls * 1e6:.2f} µs a call")
            if profile:
                pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
            core.gateway.sessions.end(session, 1000, "")
        await store.aclose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--profile", action="store_true")
    wanted = parser.parse_args()
    tune_collector()
    trio.run(main, wanted.calls, wanted.profile)
