"""The demo from its beginning to its end."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import trio

from realtime.demo.attaching import Attaching
from realtime.demo.check import Difference, tally
from realtime.demo.fetch import fetch
from realtime.demo.gallery import check_pictures
from realtime.demo.nodes import Nodes, serving
from realtime.demo.person import Device, Person
from realtime.demo.photos import photographs
from realtime.demo.relay import Relay
from realtime.demo.report import DeviceFigures, Report
from realtime.demo.state import check_held, check_queue_order, check_state
from realtime.demo.story import NotSettled, Story
from realtime.demo.verdict import check_device, told
from realtime.demo.world import World
from realtime.testing.process import ServerError
from rpc.client.media import UploadError
from rpc.errors import CallError

# fmt: off
NAMES = (
    "ann", "ben", "cleo", "dan", "eva", "finn", "gus", "hana", "ivo", "june",
    "kai", "lea", "max", "nora", "otto", "pia", "quin", "ruth", "sam", "tess",
)
# fmt: on
LEAST_USERS, MOST_USERS = 3, 40
CUT_AFTER = (200, 20_000)  # bytes of a websocket, its handshake included
CUT_UPLOAD_AFTER = (2_000, 500_000)
MOST_NODES = 8
SQLITE = "sqlite"
FOLDER = "folder"
CONSUMED = 10.0  # seconds for counts and timelines to follow, which no update tells of


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`deadline` is in seconds, for all of it."""

    users: int = 12
    seed: int = 1
    drop: bool = True
    kill: bool = True
    deadline: float = 180.0
    keep: Path | None = None
    store: str = SQLITE
    blobs: str = FOLDER
    nodes: int = 1


async def run(plan: Plan, say: Callable[[str], None]) -> Report:
    """Plays the demo and compares. A story that cannot go on, or takes too long, is an `error`
    of the report. Raises `ValueError` for a plan that cannot be carried out."""
    if not LEAST_USERS <= plan.users <= MOST_USERS:
        raise ValueError(f"--users is from {LEAST_USERS} to {MOST_USERS}")
    if not 1 <= plan.nodes <= MOST_NODES:
        raise ValueError(f"--nodes is from 1 to {MOST_NODES}")
    if plan.nodes > 1 and plan.store == SQLITE:
        raise ValueError("several --nodes need a --store that they share: mysql://…")
    pictures = photographs()
    report = Report(
        seed=plan.seed,
        users=plan.users,
        nodes=plan.nodes,
        blobs=plan.blobs.partition(":")[0],
        drop=plan.drop,
        kill=plan.kill,
    )
    started = trio.current_time()
    with _folder(plan.keep) as folder:
        demo = _Demo(plan, report, folder, say)
        with trio.move_on_after(plan.deadline) as scope:
            try:
                await demo.play(pictures)
            except* (CallError, UploadError, ServerError, OSError) as failed:
                report.add_error(f"{demo.act}: {_first(failed)}")
        if scope.cancelled_caught:
            report.add_error(f"{demo.act}: not over after {plan.deadline:g} seconds")
        demo.count()
    report.seconds = trio.current_time() - started
    return report


def _first(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="sunwire-demo-") as name:
            yield Path(name)
        return
    keep.mkdir(parents=True, exist_ok=True)
    if any(keep.iterdir()):
        raise ValueError(f"{keep} is not empty")
    yield keep.resolve()


class _Demo:
    def __init__(
        self, plan: Plan, report: Report, folder: Path, say: Callable[[str], None]
    ) -> None:
        self._plan = plan
        self._report = report
        self._folder = folder
        self._say = say
        self._random = Random(plan.seed)
        self._world = World()
        self._people: list[Person] = []
        self._relays: list[Relay] = []
        self._media_relay: Relay | None = None
        self._nodes: Nodes | None = None
        self._story: Story | None = None
        self._stage = "the server starts"

    @property
    def act(self) -> str:
        return self._stage or (self._story.act if self._story else "")

    async def play(self, pictures: Sequence[Path]) -> None:
        plan = self._plan
        async with (
            serving(self._folder, plan.store, plan.blobs, plan.nodes) as nodes,
            trio.open_nursery() as lines,
        ):
            self._nodes = nodes
            media_relay = await self._line(lines, nodes.media_port, "media", *CUT_UPLOAD_AFTER)
            self._media_relay = media_relay
            await self._gather(lines, nodes, media_relay, pictures)
            self._story = Story(
                self._world,
                self._people,
                nodes,
                self._relays,
                media_relay,
                Attaching(self._world, nodes.media_url, self._report.differences),
                self._random,
                drop=plan.drop,
                kill=plan.kill,
                say=self._say,
            )
            self._stage = ""
            try:
                await self._story.play()
            except NotSettled as error:
                self._report.add_error(f"{self.act}: {error}")
            self._stage = "comparing"
            self._say("everything is compared")
            await self._compare(nodes.url, nodes.media_url)
            for _, device in self._devices:
                device.close()
            self._stage = "the server stops"
            await nodes.end()
            lines.cancel_scope.cancel()
        self._report.differences += [
            Difference("the server", "its log", "server", line) for line in nodes.errors
        ]

    def count(self) -> None:
        """Puts into the report what was done, however far it went."""
        report = self._report
        report.done = self._world.counts + self._world.circles.counts
        report.connections_cut = sum(relay.cuts for relay in self._relays)
        report.uploads_cut = self._media_relay.cuts if self._media_relay else 0
        report.server_kills = self._nodes.kills if self._nodes else 0
        report.moved = self._story.moved if self._story else 0

    @property
    def _devices(self) -> list[tuple[Person, Device]]:
        return [(person, device) for person in self._people for device in person.devices]

    async def _line(
        self, nursery: trio.Nursery, port: int, name: str, least: int, most: int
    ) -> Relay:
        relay = Relay(port, Random(f"{self._plan.seed} {name}"), least, most)
        await nursery.start(relay.run)
        return relay

    async def _gather(
        self,
        nursery: trio.Nursery,
        nodes: Nodes,
        media_relay: Relay,
        pictures: Sequence[Path],
    ) -> None:
        """Everybody with his devices, each on lines of its own; some have two devices."""
        users = self._plan.users
        clients = self._folder / "clients"
        clients.mkdir()
        names = [*NAMES, *(f"user{number}" for number in range(len(NAMES), users))][:users]
        for number, name in enumerate(names):
            devices = []
            for kind in ("phone", "laptop")[: 2 if number % 6 == 0 else 1]:
                label = f"{name}/{kind}"
                relays = [
                    await self._line(nursery, port, f"{label} {node}", *CUT_AFTER)
                    for node, port in enumerate(nodes.ports)
                ]
                self._relays += relays
                random = Random(f"{self._plan.seed} {label} client")
                device = Device(label, relays, clients, random)
                await nursery.start(device.run)
                devices.append(device)
            random = Random(f"{self._plan.seed} {name}")
            media_url = f"http://127.0.0.1:{media_relay.port}"
            self._people.append(
                Person(name, number, devices, self._world, random, pictures, media_url)
            )

    # What came of it

    async def _compare(self, url: str, media_url: str) -> None:
        found = self._report.differences
        found += check_queue_order(self._world)
        for person, device in self._devices:
            figures = self._figures(person, device)
            mine = check_device(
                self._world, person.user_id, device.session_id, device.record, device.name
            )
            figures.differences = len(mine)
            self._report.devices.append(figures)
            found += mine
        for person in self._people:
            found += await self._compare_state(url, person)
            found += await check_pictures(
                url, media_url, person.client.token, person.user_id, self._world
            )

    async def _compare_state(self, url: str, person: Person) -> list[Difference]:
        """Counts and timelines follow the log at a distance: they are given some time."""
        give_up = trio.current_time() + CONSUMED
        while True:
            fetched = await fetch(url, person.client.token)
            found = check_state(self._world, person.user_id, fetched)
            if not found or trio.current_time() > give_up:
                break
            await trio.sleep(0.2)
        for device in person.devices:
            found += check_held(device.name, device.record, fetched)
        return found

    def _figures(self, person: Person, device: Device) -> DeviceFigures:
        record, statistics = device.record, device.client.statistics()
        expected, received = tally(
            self._world.expected(person.user_id, device.session_id), record.streams
        )
        expected["notified"], received["notified"] = told(self._world, person.user_id, record)
        return DeviceFigures(
            device=device.name,
            user_id=person.user_id,
            expected=expected,
            received=received,
            receipts=record.counts["receipt"],
            signals=record.counts["signals"],
            reconnects=statistics.connects - 1,
            retries=statistics.retries,
            duplicates_ignored=statistics.feed.duplicates,
        )
