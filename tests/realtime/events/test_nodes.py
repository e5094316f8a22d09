"""A node says where it is, and notices when the log is not the one that it knows."""

from __future__ import annotations

from typing import Any

import pytest
import structlog.testing
import trio
import trio.testing

from realtime.events.nodes import LIFETIME, RENEW, Registration
from store.errors import Incompatible, Unavailable
from store.log import Head
from store.queries.nodes import forget_node, register_node

HEAD = Head(position=10, epoch=5, floor=0)


class Answers:
    """A store that answers each registration as the test says, and then as before."""

    def __init__(self, *answers: Head | Exception) -> None:
        self.answers = list(answers)
        self.said: list[tuple[float, int]] = []
        self.ids: set[bytes] = set()
        self.forgotten: list[bytes] = []
        self.fails_at_the_end = False

    async def write(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        await trio.lowlevel.checkpoint()
        if query is forget_node:
            self.forgotten += args
            if self.fails_at_the_end:
                raise Unavailable("gone")
            return None
        assert query is register_node
        node, name, position, lifetime_ms = args
        assert lifetime_ms == LIFETIME * 1000
        assert ":" in name
        self.ids.add(node)
        self.said.append((trio.current_time(), position))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def read(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError


async def test_it_says_where_it_is_until_it_ends(autojump_clock: trio.testing.MockClock) -> None:
    store, position = Answers(HEAD), 3
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Registration(store, HEAD, lambda: position).run)
        await trio.sleep(RENEW + 1)
        position = 7
        await trio.sleep(RENEW)
        nursery.cancel_scope.cancel()
    assert store.said == [(0, 3), (RENEW, 3), (2 * RENEW, 7)]
    assert len(store.ids) == 1
    assert set(store.forgotten) == store.ids


async def test_a_store_that_is_away_is_asked_again(autojump_clock: trio.testing.MockClock) -> None:
    store = Answers(Unavailable("away"), HEAD)
    store.fails_at_the_end = True
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Registration(store, HEAD, lambda: 1).run)
            await trio.sleep(RENEW + 1)
            nursery.cancel_scope.cancel()
    assert len(store.said) == 2
    assert [line["event"] for line in logs] == [
        "registration waits for the store",
        "registration was not taken back",
    ]


@pytest.mark.parametrize("later", [HEAD._replace(epoch=6), HEAD._replace(position=9)])
async def test_another_log_ends_it(autojump_clock: trio.testing.MockClock, later: Head) -> None:
    store = Answers(HEAD, HEAD, later)
    with pytest.raises(Incompatible, match="replaced under this server: it was at position 10"):
        await Registration(store, HEAD, lambda: 1).run()
    assert trio.current_time() == 2 * RENEW
    assert store.forgotten


async def test_another_log_than_the_node_began_with_ends_it_at_the_first_look(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = Answers(HEAD._replace(epoch=6))
    with pytest.raises(Incompatible, match="of epoch 5, and is at 10 of epoch 6"):
        await Registration(store, HEAD, lambda: 1).run()
    assert trio.current_time() == 0
