"""`demo`: people at a real server, on lines that break, and proof of what reached them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import trio
from cyclopts import App, Parameter
from rich.console import Console

from realtime.commands.common import end_on_signal, run, say, show

app = App(name="demo")


@app.default
def demo(
    *,
    json: Annotated[
        bool, Parameter(negative="", help="print figures as one JSON object, see above")
    ] = False,
    seed: Annotated[
        int, Parameter(help="of what is tried, and of the bytes at which lines are cut")
    ] = 1,
    users: Annotated[int, Parameter(help="how many people, 3 to 40")] = 12,
    drop: Annotated[bool, Parameter(help="cut connections on the way")] = True,
    kill: Annotated[
        bool, Parameter(help="kill -9 the server, or a node, in the middle, and start it again")
    ] = True,
    deadline: Annotated[float, Parameter(help="seconds that all of it may take")] = 180.0,
    keep: Annotated[
        Path | None,
        Parameter(help="an empty folder for the data and the server's log, kept afterwards"),
    ] = None,
    store: Annotated[
        str, Parameter(help="sqlite, or mysql://USER:PASSWORD@HOST:PORT/DATABASE, empty")
    ] = "sqlite",
    blobs: Annotated[
        str, Parameter(help="folder, or cassandra://USER:PASSWORD@HOST,HOST:PORT/KEYSPACE")
    ] = "folder",
    nodes: Annotated[
        int, Parameter(help="how many servers share that database, each on a port of its own")
    ] = 1,
) -> None:
    """Starts a server in a temporary folder and lets people use it; compares what each device
    received with what it should have received.

    They sign in by code, upload and post photographs, films and moving images, follow, talk in
    direct and group rooms, send voices and films, edit, delete, like and comment, while their
    connections are cut at arbitrary bytes and the server is killed. Exit code 1 when anything is
    lost, doubled, reordered or altered, or seen by whom it is not for.

    The figures of --json are documented in docs/demo.md: `ok`, `error`, `seed`, `users`,
    `nodes`, `blobs`, `drop`, `kill`, `seconds`, `server_kills`, `moved`, `connections_cut`,
    `uploads_cut`, `reconnects`, `done`, `expected`, `received`, `devices` (each `device`,
    `user_id`, `expected`, `received`, `receipts`, `signals`, `reconnects`, `retries`,
    `duplicates_ignored`, `differences`) and `differences` (each `who`, `where`, `what`,
    `detail`).
    """
    ok = False

    async def main() -> None:
        nonlocal ok
        try:
            from realtime.demo.run import Plan
            from realtime.demo.run import run as play
        except ImportError as error:
            raise ValueError(
                f"the demo needs the extra `demo` (pip install 'sunwire[demo]'): {error}"
            ) from error
        plan = Plan(
            users=users,
            seed=seed,
            drop=drop,
            kill=kill,
            deadline=deadline,
            keep=keep,
            store=store,
            blobs=blobs,
            nodes=nodes,
        )
        started = trio.current_time()

        def tell(what: str) -> None:
            if not json:
                say(f"{trio.current_time() - started:5.1f} s  {what}")

        async with trio.open_nursery() as nursery:
            # So that no server and no folder is left behind.
            await nursery.start(end_on_signal, nursery.cancel_scope, "interrupted")
            report = await play(plan, tell)
            if json:
                show(report.as_json())
            else:
                report.show(Console())
            ok = report.ok
            nursery.cancel_scope.cancel()

    run(main)
    if not ok:
        sys.exit(1)
