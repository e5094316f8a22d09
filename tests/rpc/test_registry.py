"""A server whose handlers do not match the .proto files must not start, and says why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from realtime.app import Parts, build
from rpc.context import CallContext
from rpc.registry import SERVICES, Registry, RegistryError, methods
from rpc.services.likes import Likes
from rpc.views import Views
from store.sqlite import SqliteStore
from tests.closing import until_the_end
from tests.rpc.probe import POLICIES, PROBE, Ask, Probe, Told
from tests.rpc.services.kit import Urls

if TYPE_CHECKING:
    from tests.rpc.probe import Inner as NotThere


class OwnLikes(Likes):
    """A service of the server's own kind, by somebody else."""


def refusal(*services: object, required: Any = (PROBE,)) -> str:
    with pytest.raises(RegistryError) as caught:
        Registry(services, required)
    return str(caught.value)


def replaced(name: str, handler: Any) -> Probe:
    """The probe with another handler."""
    return type("Replaced", (Probe,), {name: handler})()  # type: ignore[no-any-return]


def test_a_service_that_matches_is_served_whole() -> None:
    registry = Registry([Probe()], [PROBE])
    for name, policy in POLICIES.items():
        method = registry.get(f"Probe.{name}")
        assert method is not None
        assert method.policy == policy
        assert (method.request, method.answer) == (Ask, Told)
    assert registry.get("Probe.read") is None
    assert registry.get("probe.Read") is None
    assert registry.get("") is None


async def sync_in_disguise(self: Any, ctx: CallContext, request: Ask) -> Told:
    return Told()


def not_async(self: Any, ctx: CallContext, request: Ask) -> Told:
    return Told()


async def generator(self: Any, ctx: CallContext, request: Ask) -> AsyncIterator[Told]:
    yield Told()


async def wrong_context(self: Any, ctx: object, request: Ask) -> Told:
    return Told()


async def wrong_request(self: Any, ctx: CallContext, request: Told) -> Told:
    return Told()


async def wrong_answer(self: Any, ctx: CallContext, request: Ask) -> Ask:
    return request


async def maybe_answer(self: Any, ctx: CallContext, request: Ask) -> Told | None:
    return None


async def no_annotations(self, ctx, request):  # type: ignore[no-untyped-def]
    return Told()


async def other_name(self: Any, ctx: CallContext, ask: Ask) -> Told:
    return Told()


async def swapped(self: Any, request: Ask, ctx: CallContext) -> Told:
    return Told()


async def asks_for_more(self: Any, ctx: CallContext, request: Ask, more: int) -> Told:
    return Told()


async def by_name_only(self: Any, *, ctx: CallContext, request: Ask) -> Told:
    return Told()


async def takes_too_little(self: Any, ctx: CallContext) -> Told:
    return Told()


async def unknown_type(self: Any, ctx: CallContext, request: NotThere) -> Told:
    return Told()


async def left_open(self: Any, ctx: CallContext, request: Ask) -> Told:
    raise AssertionError


left_open.__isabstractmethod__ = True  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        (None, "no handler"),
        (left_open, "the handler is abstract"),
        (7, "7 is not a handler"),
        (not_async, "not async"),
        (generator, "not async"),
        (wrong_context, "ctx is <class 'object'> instead of CallContext"),
        (wrong_request, "instead of Ask"),
        (wrong_answer, "return is"),
        (maybe_answer, "instead of Told"),
        (no_annotations, "ctx is None instead of CallContext"),
        (other_name, "(ctx, request)"),
        (swapped, "(ctx, request)"),
        (asks_for_more, "(ctx, request)"),
        (by_name_only, "(ctx, request)"),
        (takes_too_little, "(ctx, request)"),
        (unknown_type, "NotThere"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_handler_that_does_not_match_is_named_with_what_is_wrong(handler: Any, why: str) -> None:
    message = refusal(replaced("read", handler))
    assert message.startswith("Probe.Read: ")
    assert why in message
    assert ";" not in message  # nothing else is wrong


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        (sync_in_disguise, "an inline handler must not be async"),
        (7, "7 is not a handler"),
        (None, "no handler"),
    ],
)
def test_a_handler_that_runs_inline_is_held_to_it(handler: Any, why: str) -> None:
    message = refusal(replaced("peek", handler))
    assert message == f"Probe.Peek: {why}"


def test_more_parameters_with_defaults_are_the_services_own_affair() -> None:
    async def with_default(self: Any, ctx: CallContext, request: Ask, again: bool = False) -> Told:
        return Told()

    assert Registry([replaced("read", with_default)], [PROBE]).get("Probe.Read")


def test_a_handler_without_a_method_is_named() -> None:
    message = refusal(replaced("reed", Probe.read))
    assert message == "Probe has no method for the handler reed"


def test_helpers_are_no_handlers() -> None:
    def helper(self: Any, request: Ask) -> Told:
        return Told()

    async def _private(self: Any, ctx: CallContext, request: Ask) -> Told:
        return Told()

    service = type("Helped", (Probe,), {"helper": helper, "_private": _private})()
    Registry([service], [PROBE])


def test_a_missing_and_a_doubled_service_are_named() -> None:
    assert refusal() == "no service for Probe"
    assert refusal(Probe(), Probe()) == "Probe is served twice"


def test_an_object_that_is_no_service_is_named() -> None:
    assert refusal(Probe(), object()) == "object has no service DESCRIPTOR"
    confused = type("Confused", (), {"DESCRIPTOR": "Probe"})()
    assert refusal(Probe(), confused) == "Confused has no service DESCRIPTOR"


def test_everything_wrong_is_told_at_once() -> None:
    service = type("Bad", (Probe,), {"read": None, "write": wrong_answer, "reed": Probe.read})()
    message = refusal(service, object(), required=SERVICES)
    for part in (
        "Probe.Read: no handler",
        "Probe.Write: return is",
        "no method for the handler reed",
        "object has no service DESCRIPTOR",
        "no service for Auth",
        "no service for Media",
    ):
        assert part in message


def test_what_a_client_knows_needs_no_handlers() -> None:
    known = methods([PROBE])
    assert set(known) == {f"Probe.{name}" for name in POLICIES}
    assert known["Probe.Write"].policy.mutating
    assert known["Probe.Write"].handler is None


async def test_a_server_serves_its_users_services_beside_its_own() -> None:
    core, _ = await build(Parts(store=until_the_end(SqliteStore.in_memory()), services=[Probe()]))
    registry = core.gateway.node.dispatcher._registry
    assert registry.get("Probe.Read")
    assert registry.get("Chat.SendMessage")


async def test_a_service_of_the_user_stands_in_for_the_one_with_its_descriptor() -> None:
    mine = OwnLikes(Views(Urls()))
    core, _ = await build(Parts(store=until_the_end(SqliteStore.in_memory()), services=[mine]))
    method = core.gateway.node.dispatcher._registry.get("Likes.LikePost")
    assert method is not None
    assert method.handler == mine.like_post


@pytest.mark.parametrize(
    ("services", "why"),
    [
        ([Probe(), Probe()], "Probe is served twice"),
        ([object()], "object has no service DESCRIPTOR"),
        ([replaced("read", None)], "Probe.Read: no handler"),
    ],
)
async def test_a_server_does_not_start_with_a_users_service_that_does_not_match(
    services: list[object], why: str
) -> None:
    with pytest.raises(RegistryError) as caught:
        await build(Parts(store=until_the_end(SqliteStore.in_memory()), services=services))
    assert str(caught.value) == why
