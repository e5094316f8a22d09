"""What a device received against what it should have received (pure)."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from realtime.demo.items import GONE, JOINED, MESSAGE, NOTIFICATION, SKIP, Item, Slot, State
from rpc.client import StreamKey
from rpc.proto import frames_pb2, models_pb2


class Difference(NamedTuple):
    """`what`: lost, doubled, reordered, altered, unexpected, restarted, state or server."""

    who: str
    where: str
    what: str
    detail: str


class Found(NamedTuple):
    """A difference, before it is known whose and where."""

    what: str
    detail: str


class Pointers(NamedTuple):
    """What an acknowledged receipt said."""

    changed: int
    read: int
    delivered: int


@dataclass(slots=True)
class Matched:
    """Items and the slots in which they arrived."""

    pairs: list[tuple[Item, Slot]] = field(default_factory=list)
    lost: list[Item] = field(default_factory=list)
    unexpected: list[Slot] = field(default_factory=list)
    doubled: list[Slot] = field(default_factory=list)


# Rows that a client replaces by the newest: what arrives may be newer than its entry, and the
# entries in between then come as that newest state again, or as nothing but a number.
NEWEST_WINS = frozenset({MESSAGE, "post", "comment", "profile", "member", "room", "session"})


def match(items: Sequence[Item], slots: Iterable[Slot]) -> Matched:
    """Finds each item's slot: by its position where an answer has named that, otherwise by
    its row, in order. Notifications, of which nobody can say how many there will be, are left
    out, and so are the numbers in a user's own stream that stand for former ones, and those in
    a room that stand for what need not have been."""
    by_position = {item.position: item for item in items if item.position}
    floating: defaultdict[tuple[str, Hashable], deque[Item]] = defaultdict(deque)
    for item in items:
        if not item.position:
            floating[item.kind, item.subject].append(item)
    result = Matched()
    seen: set[int] = set()
    for slot in slots:
        if slot.position in seen:
            result.doubled.append(slot)
            continue
        seen.add(slot.position)
        if slot.kind == NOTIFICATION:
            continue
        known = by_position.pop(slot.position, None)
        waiting = floating[slot.kind, slot.subject]
        if known is None:
            _pass_over(waiting, slot.state)
        if slot.span > 1:  # one that accounts for several: those right before it, too
            earlier = sorted(at for at in by_position if at < slot.position)
            result.pairs += [(by_position.pop(at), slot) for at in earlier[1 - slot.span :]]
        if known is not None:
            result.pairs.append((known, slot))
        elif waiting:
            result.pairs.append((waiting.popleft(), slot))
        elif slot.kind == SKIP and (slot.of_user or _drop_optional(floating)):
            continue
        else:
            result.unexpected.append(slot)
    left = [*by_position.values(), *(item for queue in floating.values() for item in queue)]
    result.lost = [item for item in left if not item.optional]
    return result


def _pass_over(waiting: deque[Item], state: State) -> None:
    """Drops what need not come, and did not, before what has come."""
    if any(one.state == state for one in waiting):
        while waiting[0].optional and waiting[0].state != state:
            waiting.popleft()


def _drop_optional(floating: Mapping[tuple[str, Hashable], deque[Item]]) -> bool:
    """Whether there was a message's entry that need not come: then the number is of that."""
    for (kind, _), waiting in floating.items():
        if kind == MESSAGE and waiting and waiting[0].optional:
            waiting.popleft()
            return True
    return False


def check_stream(items: Sequence[Item], slots: Sequence[Slot]) -> list[Found]:
    """Every way in which the slots are not the items: each once, in the order of the log, and
    with the content that was acknowledged."""
    matched = match(items, slots)
    found = [Found("lost", str(item)) for item in matched.lost]
    found += [Found("doubled", str(slot)) for slot in matched.doubled]
    found += [Found("unexpected", str(slot)) for slot in matched.unexpected]
    found += _check_order(slots, {id(slot) for slot in matched.doubled}, bool(matched.lost))
    return found + _check_content(items, matched)


def _check_order(slots: Sequence[Slot], doubled: set[int], lost: bool) -> list[Found]:
    """Numbers without a hole, and numbers and positions that only go up. A hole of which the
    lost items tell already is not told again."""
    found: list[Found] = []
    numbers: set[int] = set()
    last, position = 0, 0

    def tell_holes() -> None:
        missing = sorted(set(range(min(numbers), max(numbers))) - numbers) if numbers else []
        if missing and not lost:
            found.append(Found("lost", f"numbers {', '.join(map(str, missing))}"))

    for slot in slots:
        if id(slot) in doubled:
            continue
        if slot.kind == JOINED:  # the stream begins anew behind this number
            tell_holes()
            numbers.clear()
            last = 0
        span = range(slot.sequence - slot.span + 1, slot.sequence + 1) if slot.span else range(0)
        if numbers.intersection(span):
            found.append(Found("doubled", str(slot)))
        elif slot.position <= position or (slot.span and slot.sequence <= last):
            found.append(Found("reordered", str(slot)))
        numbers.update(span)
        last, position = max(last, slot.sequence), max(position, slot.position)
    tell_holes()
    return found


def _check_content(items: Sequence[Item], matched: Matched) -> list[Found]:
    versions: defaultdict[tuple[str, Hashable], list[State]] = defaultdict(list)
    number: dict[int, int] = {}  # of an item among the versions of its row
    for item in items:
        if not item.veiled:
            number[id(item)] = len(versions[item.kind, item.subject])
            versions[item.kind, item.subject].append(item.state)
    reached: dict[tuple[str, Hashable], int] = {}  # row -> the newest version that has come
    skipped: list[tuple[Item, Slot]] = []
    found = []
    for item, slot in matched.pairs:
        row = (item.kind, item.subject)
        if item.veiled:
            if slot.kind != SKIP:
                found.append(Found("unexpected", f"{slot}, which this viewer may not see"))
            continue
        wanted = number[id(item)]
        if slot.kind == SKIP:
            skipped.append((item, slot))
            continue
        if (slot.kind, slot.subject) != row:
            found.append(Found("altered", f"{item} arrived as {slot}"))
            continue
        if item.kind in (JOINED, GONE):
            continue
        least = max(wanted, reached.get(row, 0))
        got = _version(versions[row], slot.state, least, item.kind)
        if got is None:
            found.append(Found("altered", f"{item} arrived as {slot}"))
        else:
            reached[row] = got
    for item, slot in skipped:
        # Of a message that has changed since, another entry may carry the newer state.
        if item.kind != MESSAGE or reached.get((MESSAGE, item.subject), -1) < number[id(item)]:
            found.append(Found("lost", f"{item}: nothing but its number {slot.sequence} came"))
    return found


def _version(states: Sequence[State], got: State, least: int, kind: str) -> int | None:
    """Which version of a row a state is, none older than `least`."""
    most = len(states) if kind in NEWEST_WINS else least + 1
    for version in range(least, min(most, len(states))):
        if states[version] == got:
            return version
    return None


def last_receipt_missing(expected: Sequence[Pointers], got: Sequence[models_pb2.Receipt]) -> bool:
    return bool(expected) and (not got or got[-1].changed < expected[-1].changed)


def check_receipts(
    expected: Sequence[Pointers], final: tuple[int, int], got: Sequence[models_pb2.Receipt]
) -> list[Found]:
    """The pointers of one member of one room. They are outside the numbers: of those that
    were missed together the last alone comes, with the pointers as they are by then, which
    are at most `final` (read, delivered)."""
    found = []
    if last_receipt_missing(expected, got):
        found.append(Found("lost", f"the last receipt: read up to {expected[-1].read}"))
    known = {one.changed: one for one in expected}
    before = 0
    for receipt in got:
        shown = f"receipt of {receipt.changed}: read up to {receipt.read_number}"
        if receipt.changed == before:
            found.append(Found("doubled", shown))
        elif receipt.changed < before:
            found.append(Found("reordered", shown))
        before = max(before, receipt.changed)
        said = known.get(receipt.changed)
        if said is None:
            found.append(Found("unexpected", shown))
        elif not (
            said.read <= receipt.read_number <= final[0]
            and said.delivered <= receipt.delivered_number <= final[1]
        ):
            found.append(Found("altered", f"{shown}, not {said.read}"))
    return found


def category(item: Item, first: bool) -> str:
    """Under which head of the report an item is counted; `first`: it made its row."""
    if item.kind == MESSAGE:
        return "messages" if first else "changes"
    return "rooms" if item.kind in (JOINED, GONE, "room", "member") else "own"


CATEGORIES = ("messages", "changes", "rooms", "notified", "own")


def tally(
    expected: Mapping[StreamKey, Sequence[Item]], streams: Mapping[StreamKey, Sequence[Slot]]
) -> tuple[Counter[str], Counter[str]]:
    """How many items were expected, and how many of them came, under each category."""
    wanted: Counter[str] = Counter()
    came: Counter[str] = Counter()
    for stream, items in expected.items():
        arrived = {id(item) for item, _ in match(items, streams.get(stream, ())).pairs}
        rows: set[tuple[str, Hashable]] = set()
        for item in items:
            head = category(item, (item.kind, item.subject) not in rows)
            rows.add((item.kind, item.subject))
            if item.optional and id(item) not in arrived:
                continue
            wanted[head] += 1
            came[head] += id(item) in arrived
    return wanted, came


def name_stream(stream: StreamKey) -> str:
    return f"room {stream.id}" if stream.kind == frames_pb2.STREAM_ROOM else "own stream"
