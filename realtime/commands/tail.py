"""`tail`: everything that reaches a session, as JSON lines."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

import trio
from cyclopts import App, Parameter
from google.protobuf.message import Message

from realtime.commands.common import DEFAULT_URL, Token, Url, dial_to, end_on_signal, run, show
from rpc.client import Client, ClientOptions, MemoryState, StreamKey, events, open_client
from rpc.client.events import Event
from rpc.client.state import Save
from rpc.jsonmap import to_json
from rpc.proto import frames_pb2

app = App(name="tail")


@app.default
def tail(
    *,
    url: Url = DEFAULT_URL,
    token: Token,
    cursor: Annotated[
        str, Parameter(help="start here (as a line's `cursor` says) instead of now")
    ] = "",
    count: Annotated[int, Parameter(help="end after so many updates; 0: never")] = 0,
) -> None:
    """Prints everything that a session receives, as JSON lines.

    Reconnects and resumes by itself; ends with SIGINT, exit code 0.

    Every line has `type` and `cursor` (base64: everything up to the latest checkpoint has been
    printed; give it to --cursor to go on from there). By type:

    - `update`: `stream` ("room:ID" or "user:ID"), `sequence`, `position`, `actor_id`, `body`
      (its kind) and the body itself under that name

    - `skip`: `stream`, `from`, `to`, `position`

    - `signal`: `body` and the body itself under that name

    - `room_joined`: `summary`, `position`; `room_gone`: `room_id`, `position`

    - `connected`: `user_id`, `session_id`, `resumed`; `disconnected`: `reason`, `code`,
      `retry_in` (seconds, null: never)

    - `checkpoint`, `caught_up`, `lagging`; `resync`: `reason`; `gap`: `stream`, `expected`, `got`

    - `signed_out`: `reason`; the last line
    """

    async def main() -> None:
        state = MemoryState()
        if cursor:
            await state.save(Save([], _decoded(cursor)))
        options = ClientOptions(device="tail")
        async with trio.open_nursery() as nursery:
            await nursery.start(end_on_signal, nursery.cancel_scope)
            async with open_client(
                dial_to(url), token=token, state=state, options=options
            ) as client:
                await _print(client, count)
            nursery.cancel_scope.cancel()

    run(main)


async def _print(client: Client, count: int) -> None:
    left = count
    async for event in client.events:
        line = line_of(event)
        if line is not None:
            latest = base64.b64encode(client.cursor).decode()
            show({"type": line.pop("type"), "cursor": latest, **line})
        if isinstance(event, events.UpdateReceived):
            left -= 1
            if not left:
                break


def _decoded(cursor: str) -> bytes:
    try:
        return base64.b64decode(cursor, validate=True)
    except binascii.Error as error:
        raise ValueError(f"--cursor is not base64: {error}") from error


def line_of(event: Event) -> dict[str, Any] | None:
    """The line of an event, without its cursor."""
    match event:
        case events.UpdateReceived(update):
            return {
                "type": "update",
                "stream": _name(StreamKey.of(update.stream)),
                "sequence": update.sequence,
                "position": update.position,
                "actor_id": update.actor_id,
                **_body(update),
            }
        case events.Skipped(skip):
            return {
                "type": "skip",
                "stream": _name(StreamKey.of(skip.stream)),
                "from": getattr(skip, "from"),
                "to": skip.to,
                "position": skip.position,
            }
        case events.SignalReceived(signal_):
            return {"type": "signal", **_body(signal_)}
        case events.RoomJoined(summary, position):
            return {"type": "room_joined", "summary": to_json(summary), "position": position}
        case events.RoomGone(room_id, position):
            return {"type": "room_gone", "room_id": room_id, "position": position}
        case events.Connected(user_id, session_id, resumed):
            return {
                "type": "connected",
                "user_id": user_id,
                "session_id": session_id,
                "resumed": resumed,
            }
        case events.Disconnected(reason, code, retry_in):
            return {
                "type": "disconnected",
                "reason": reason,
                "code": code,
                "retry_in": None if retry_in == float("inf") else round(retry_in, 3),
            }
        case events.CursorMoved():
            return {"type": "checkpoint"}
        case events.CaughtUp():
            return {"type": "caught_up"}
        case events.Lagging():
            return {"type": "lagging"}
        case events.Resynced(reason):
            return {"type": "resync", "reason": frames_pb2.Resync.Reason.Name(reason)}
        case events.GapFound(stream, expected, got):
            return {"type": "gap", "stream": _name(stream), "expected": expected, "got": got}
        case events.SignedOut(reason):
            return {"type": "signed_out", "reason": reason}
        case _:
            return None


def _name(stream: StreamKey) -> str:
    kind = frames_pb2.StreamKind.Name(frames_pb2.StreamKind.ValueType(stream.kind))
    return f"{kind.removeprefix('STREAM_').lower()}:{stream.id}"


def _body(message: Message) -> dict[str, Any]:
    kind = message.WhichOneof("body")
    if kind is None:
        return {"body": None}
    return {"body": kind, kind: to_json(getattr(message, kind))}
