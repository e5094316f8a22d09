"""From the model to lines of text (pure)."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterable

from rich.cells import cell_len, set_cell_size
from rich.color import ColorSystem
from rich.console import Console
from rich.text import Text

from realtime.terminal.editor import LineEditor
from realtime.terminal.model import (
    SENDING_PHOTO,
    Comments,
    Model,
    Notifications,
    Outgoing,
    Posts,
    RoomList,
    RoomState,
    Tick,
    told,
)
from rpc.proto.models_pb2 import Message, Post

ROOMS_WIDTH = 26  # columns
WIDE = 64  # columns; below it the list of rooms is a page of its own
PROMPT = "> "
COLORS = ("cyan", "green", "magenta", "blue", "yellow", "bright_cyan", "bright_green")

# What others write must not reach the terminal as commands, nor turn the direction of what
# stands beside it.
_UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """Text of others, safe to be shown; line breaks stay."""
    return _UNSAFE.sub(" ", text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    return " ".join(clean(text).split())


class Frame:
    """A drawn screen: a line for each row, and where the cursor stands."""

    def __init__(self, lines: list[str], cursor: tuple[int, int]) -> None:
        self.lines = lines
        self.cursor = cursor  # (row, column), from 0


def draw(model: Model, editor: LineEditor, size: tuple[int, int], now: float) -> Frame:
    """`now` is on the clock of `Model.apply`. Every line is exactly as wide as the screen."""
    columns, rows = size
    console = Console(
        file=io.StringIO(), width=columns, force_terminal=True, color_system="standard"
    )
    body_rows = rows - 3
    wide = columns >= WIDE
    body_width = columns - ROOMS_WIDTH - 3 if wide else columns
    body = _body(model, console, body_width, body_rows)
    lines = [_header(model, columns)]
    if wide:
        beside = _room_lines(model, ROOMS_WIDTH, body_rows)
        for left, right in zip(beside, body, strict=True):
            lines.append(_fit(left, ROOMS_WIDTH) + Text(" │ ", "dim") + _fit(right, body_width))
    else:
        lines += [_fit(line, columns) for line in body]
    lines.append(_fit(_footer(model, now), columns))
    entry, cursor = _entry(editor, columns)
    lines.append(entry)
    return Frame([_ansi(line, console) for line in lines], (rows - 1, cursor))


def repaint(before: Frame | None, after: Frame) -> bytes:
    """What a terminal must be sent to show `after` instead of `before` (None: anything)."""
    old = before.lines if before is not None and len(before.lines) == len(after.lines) else []
    parts = ["\x1b[?25l"]
    if not old:
        parts.append("\x1b[0m\x1b[2J")
    for row, line in enumerate(after.lines):
        if not old or old[row] != line:
            parts.append(f"\x1b[{row + 1};1H{line}")
    row, column = after.cursor
    parts.append(f"\x1b[{row + 1};{column + 1}H\x1b[?25h")
    return "".join(parts).encode()


def _ansi(line: Text, console: Console) -> str:
    return "".join(
        segment.style.render(segment.text, color_system=ColorSystem.STANDARD)
        if segment.style
        else segment.text
        for segment in line.render(console)
    )


def _fit(line: Text, width: int) -> Text:
    line = line.copy()
    line.truncate(width, overflow="ellipsis", pad=True)
    return line


def _header(model: Model, columns: int) -> Text:
    color = "green" if model.online else "red"
    line = Text(" sunwire ", "bold reverse")
    line.append(f"  @{model.me.username}" if model.me.username else "")
    line.append(f"  ● {model.status}", color)
    waiting = sum(not one.problem for one in model.outgoing.values())
    if waiting and not model.online:
        line.append(f"  {waiting} queued", "yellow")
    if model.unseen:
        line.append(f"  {model.unseen} new /notifications", "yellow")
    return _fit(line, columns)


def _footer(model: Model, now: float) -> Text:
    room = model.visible_room
    if room is not None:
        typists = model.typists(room, now)
        if typists:
            doing = "is sending a photograph…" if typists[0][1] == SENDING_PHOTO else "is typing…"
            names = ", ".join(f"@{name}" for name, _ in typists)
            return Text(f"{names} {doing}" if len(typists) == 1 else f"{names} are typing…", "dim")
    return Text(one_line(model.notice), "yellow")


def _entry(editor: LineEditor, columns: int) -> tuple[Text, int]:
    """The line being typed, shifted so that its cursor is in view."""
    room = columns - len(PROMPT) - 1
    start = 0
    while cell_len(editor.text[start : editor.cursor]) > room:
        start += 1
    shown = set_cell_size(editor.text[start:], room + 1)
    column = len(PROMPT) + cell_len(editor.text[start : editor.cursor])
    return Text.assemble((PROMPT, "bold"), shown), column


def _room_lines(model: Model, width: int, rows: int) -> list[Text]:
    lines = []
    for index, room in enumerate(model.ordered_rooms(), 1):
        unread = f" ({room.unread})" if room.unread else ""
        name = one_line(model.title(room))
        style = "bold" if room.unread else ""
        if room.room.id == model.current:
            style = "bold reverse"
        space = width - len(str(index)) - 1 - len(unread) - 2
        text = Text(f"{index} ", "dim")
        text.append(_dot(model, room))
        text.append(set_cell_size(name, min(space, cell_len(name))), style)
        text.append(unread, "bold yellow")
        lines.append(text)
    if not lines:
        lines = [Text("no rooms yet:", "dim"), Text("/open @username", "dim")]
    return _exactly(lines[:rows], rows)


def _dot(model: Model, room: RoomState) -> Text:
    peer = model.peer(room)
    online = peer is not None and model.presence.get(peer.id)
    return Text("● ", "green") if online and online.online else Text("  ")


def _exactly(lines: list[Text], rows: int) -> list[Text]:
    return lines + [Text("") for _ in range(rows - len(lines))]


def _body(model: Model, console: Console, width: int, rows: int) -> list[Text]:
    """Exactly `rows` lines of the page or the open room."""
    page = model.page
    if page is None and model.open_room is not None:
        head = [_room_title(model, model.open_room)]
        return head + _tail(
            model, console, _message_blocks(model, model.open_room), width, rows - 1
        )
    if page is None:
        welcome = [
            ("Welcome to sunwire.", ""),
            ("", ""),
            ("/open @username", "starts a conversation"),
            ("/help", "shows what else there is"),
        ]
        return _page(model, console, "", _pairs(welcome), width, rows)
    if isinstance(page, Posts):
        lines = [line for n, post in enumerate(page.posts, 1) for line in _post(model, n, post)]
        return _page(model, console, page.title, lines or [Text("nothing yet")], width, rows)
    if isinstance(page, Comments):
        lines = _post(model, 0, page.post)
        for comment in page.comments:
            line = Text(f"  @{comment.author.username}: ", _color(comment.author.id))
            line.append(
                "comment deleted" if comment.deleted else clean(comment.text),
                "dim italic" if comment.deleted else "default",
            )
            lines.append(line)
        return _page(model, console, "Comments, the latest first", lines, width, rows)
    if isinstance(page, Notifications):
        told_lines = [
            Text(f"{_when(one.latest_ms)}  {clean(told(one))}", "" if one.seen else "bold")
            for one in sorted(model.notifications.values(), key=lambda n: -n.latest)
        ]
        shown = told_lines or [Text("nothing yet")]
        return _page(model, console, "Notifications", shown, width, rows)
    if isinstance(page, RoomList):
        return _page(model, console, "Rooms", _room_lines(model, width, rows - 1), width, rows)
    return _page(model, console, page.title, _pairs(page.lines), width, rows)


def _pairs(lines: Iterable[tuple[str, str]]) -> list[Text]:
    return [Text.assemble((left, "bold"), f"  {clean(right)}") for left, right in lines]


def _page(
    model: Model, console: Console, title: str, lines: list[Text], width: int, rows: int
) -> list[Text]:
    """A page reads from the top: here `scroll` counts the lines above what is shown."""
    wrapped = [piece for line in lines for piece in line.wrap(console, width)]
    head = [Text(title, "bold underline")] if title else []
    space = rows - len(head)
    model.scroll = max(0, min(model.scroll, len(wrapped) - space))
    return _exactly(head + wrapped[model.scroll : model.scroll + space], rows)


def _tail(model: Model, console: Console, blocks: list[Text], width: int, rows: int) -> list[Text]:
    """The last lines, or those `scroll` lines above them."""
    lines: list[Text] = []
    for block in reversed(blocks):
        lines[:0] = block.wrap(console, width)
        if len(lines) >= rows + model.scroll:
            break
    model.scroll = max(0, min(model.scroll, len(lines) - rows))
    end = len(lines) - model.scroll
    shown = lines[max(0, end - rows) : end]
    return [Text("") for _ in range(rows - len(shown))] + shown


def _room_title(model: Model, room: RoomState) -> Text:
    line = Text(one_line(model.title(room)), "bold underline")
    peer = model.peer(room)
    presence = model.presence.get(peer.id) if peer is not None else None
    if presence is not None and presence.online:
        line.append("  online", "not underline green")
    elif presence is not None and presence.last_seen_ms:
        line.append(f"  last seen {_when(presence.last_seen_ms)}", "not bold not underline dim")
    elif peer is None:
        line.append(f"  {room.room.member_count} members", "not bold not underline dim")
    return line


def _message_blocks(model: Model, room: RoomState) -> list[Text]:
    by_id = {message.id: message for message in room.messages.values()}
    blocks = []
    if room.more:
        blocks.append(Text("… /more for older messages", "dim italic"))
    blocks += [
        _message(model, room, message, by_id.get(message.reply_to))
        for _, message in sorted(room.messages.items())
    ]
    blocks += [_outgoing(model, one) for one in model.queued_in(room.room.id)]
    return blocks


def _message(model: Model, room: RoomState, message: Message, replied: Message | None) -> Text:
    block = Text(overflow="fold")
    if message.reply_to:
        quoted = (
            f"#{replied.number} @{model.username(replied.sender_id)}: {_summary(replied)}"
            if replied is not None
            else "an earlier message"
        )
        block.append(f"  ┌ {quoted[:60]}\n", "dim")
    block.append(f"#{message.number} ", "dim")
    block.append(f"{_when(message.created_ms)} ", "dim")
    block.append(f"@{model.username(message.sender_id)}", _color(message.sender_id))
    block.append(": ")
    if message.deleted:
        block.append("message deleted", "dim italic")
        return block
    for media in message.media:
        block.append(f"[photo {media.width}×{media.height}] ", "cyan")
    block.append(clean(message.text))
    if message.edited_ms:
        block.append(" (edited)", "dim")
    if message.sender_id == model.me.id:
        tick = model.tick(room, message.number)
        block.append(f" {tick.value}", "bold cyan" if tick is Tick.SEEN else "dim")
    return block


def _summary(message: Message) -> str:
    if message.deleted:
        return "message deleted"
    return one_line(message.text) or "[photo]"


def _outgoing(model: Model, outgoing: Outgoing) -> Text:
    block = Text(f"   {_when(outgoing.created_ms)} ", "dim", overflow="fold")
    block.append(f"@{model.me.username}", _color(model.me.id))
    block.append(": ", "default")
    if outgoing.photos:
        block.append("[photo] ", "cyan")
    block.append(clean(outgoing.text), "default")
    if outgoing.problem:
        block.append(f" ✗ not sent: {one_line(outgoing.problem)}", "bold red")
    else:
        block.append(" … sending", "dim")
    return block


def _post(model: Model, index: int, post: Post) -> list[Text]:
    head = Text(f"{index} " if index else "", "dim")
    head.append(f"@{post.author.username}", f"bold {_color(post.author.id)}")
    head.append(f"  {_when(post.created_ms)}", "dim")
    counts = Text(f"  {'♥' if post.liked_by_me else '♡'} {post.likes}", "red")
    counts.append(f"  {post.comments} comments", "dim")
    lines = [head]
    if post.media:
        sizes = " ".join(f"[photo {one.width}×{one.height}]" for one in post.media)
        lines.append(Text(f"  {sizes}", "cyan"))
    if post.text:
        lines.append(Text(f"  {clean(post.text)}"))
    return [*lines, counts, Text("")]


def _when(ms: int) -> str:
    then, today = time.localtime(ms / 1000), time.localtime()
    if then[:3] == today[:3]:
        return time.strftime("%H:%M", then)
    return time.strftime("%d %b %H:%M", then)


def _color(user_id: int) -> str:
    return COLORS[user_id % len(COLORS)]
