"""Sockets that processes share, and those that no other server may share with them."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import ExitStack
from pathlib import Path

import pytest
import trio

from realtime.cluster.sockets import (
    LINK,
    addresses_of,
    dial_link,
    inherited,
    is_own,
    link_socket,
    listen_beside,
    reserve,
)
from realtime.startup import StartError

HERE = "127.0.0.1:0"


async def reserved(stack: ExitStack, address: str = HERE) -> list[socket.socket]:
    found = await reserve("websocket", "listen", address)
    for one in found:
        stack.callback(one.close)
    return found


def port_of(found: list[socket.socket]) -> int:
    port: int = found[0].getsockname()[1]
    return port


async def test_a_reserved_port_is_refused_until_somebody_listens() -> None:
    with ExitStack() as stack:
        found = await reserved(stack)
        with pytest.raises(OSError, match="connect"):
            await trio.open_tcp_stream("127.0.0.1", port_of(found))
        (listener,) = listen_beside(addresses_of(found))
        async with listener, await trio.open_tcp_stream("127.0.0.1", port_of(found)):
            await (await listener.accept()).aclose()
        with pytest.raises(OSError, match="connect"):
            await trio.open_tcp_stream("127.0.0.1", port_of(found))


async def test_those_who_listen_beside_each_other_all_get_connections() -> None:
    with ExitStack() as stack:
        found = await reserved(stack)
        listeners = [listen_beside(addresses_of(found))[0] for _ in range(2)]
        accepted = [0, 0]
        async with trio.open_nursery() as nursery:

            async def accept(number: int) -> None:
                async with listeners[number]:
                    while True:
                        stream = await listeners[number].accept()
                        accepted[number] += 1
                        await stream.aclose()

            for number in range(2):
                nursery.start_soon(accept, number)
            with trio.fail_after(10):
                while not all(accepted):
                    await (await trio.open_tcp_stream("127.0.0.1", port_of(found))).aclose()
            nursery.cancel_scope.cancel()


async def test_a_port_that_another_server_shares_is_in_use_all_the_same() -> None:
    """To the system it would be one more who listens beside the others."""
    with ExitStack() as stack:
        found = await reserved(stack)
        (listener,) = listen_beside(addresses_of(found))
        async with listener:
            with pytest.raises(StartError, match=r"the port is in use .*--listen"):
                await reserved(stack, f"127.0.0.1:{port_of(found)}")


@pytest.mark.parametrize("length", [10, 200], ids=["short", "long"])
async def test_the_link_is_a_file_for_its_user_alone(tmp_path: Path, length: int) -> None:
    folder = tmp_path / ("f" * length)
    folder.mkdir()
    with link_socket(folder) as one:
        assert stat.S_IMODE(os.stat(folder / LINK).st_mode) & 0o077 == 0
        (listener,) = inherited([os.dup(one.fileno())])
        async with listener, await dial_link(folder) as ours, await listener.accept() as theirs:
            assert is_own(theirs)
            await ours.send_all(b"hello")
            assert await theirs.receive_some(5) == b"hello"
    assert not (folder / LINK).exists()


async def test_who_dials_waits_in_line_while_nobody_accepts(tmp_path: Path) -> None:
    with link_socket(tmp_path) as one:
        async with await dial_link(tmp_path) as ours:
            await ours.send_all(b"early")
            (listener,) = inherited([os.dup(one.fileno())])
            async with listener, await listener.accept() as theirs:
                assert await theirs.receive_some(5) == b"early"


async def test_a_link_that_a_killed_server_has_left_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(tmp_path / LINK))
    with pytest.raises(OSError, match="refused"):
        await dial_link(tmp_path)
    with link_socket(tmp_path):
        await (await dial_link(tmp_path)).aclose()
    with pytest.raises(OSError, match="No such file"):
        await dial_link(tmp_path)


def test_a_folder_that_holds_no_socket_is_said(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="cannot hold a socket"), link_socket(tmp_path / "none"):
        pass
