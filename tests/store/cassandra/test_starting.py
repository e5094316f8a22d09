"""What keeps a cluster from being used is said in a sentence."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import trio

from store.blobs.cassandra.blobs import CassandraBlobs
from store.errors import Incompatible, Unavailable
from tests.contracts.cassandra import new_address


async def test_no_tables() -> None:
    with pytest.raises(Incompatible, match="realtime migrate"):
        await CassandraBlobs.connect(new_address())


async def test_nobody_there() -> None:
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    address = replace(new_address(), hosts=("127.0.0.1",), port=port)
    with pytest.raises(Unavailable, match=f"127.0.0.1:{port}"):
        await CassandraBlobs.connect(address, deadline=2)


async def silence(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def test_somebody_who_says_nothing() -> None:
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, silence, 0, host="127.0.0.1")
        listeners = await nursery.start(serve)
        port = listeners[0].socket.getsockname()[1]
        address = replace(new_address(), hosts=("127.0.0.1",), port=port)
        with trio.fail_after(10), pytest.raises(Unavailable):
            await CassandraBlobs.connect(address, deadline=0.5)
        nursery.cancel_scope.cancel()
