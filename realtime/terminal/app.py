"""The chat client's tasks: keys in, events in, chores, and the screen."""

from __future__ import annotations

import signal
from typing import Protocol

import trio

from realtime.terminal.actions import Actions, Quit
from realtime.terminal.editor import LineEditor
from realtime.terminal.keys import Key, KeyDecoder, Press
from realtime.terminal.model import Comments, Model, Outgoing
from realtime.terminal.screen import Frame, draw, repaint
from rpc.client import Client, Stopped, Ticket, events
from rpc.errors import CallError
from rpc.proto import chat_pb2, frames_pb2, models_pb2, notifications_pb2, users_pb2
from rpc.proto.stubs import ChatClient, NotificationsClient, UsersClient

PAINT_EVERY = 0.03  # seconds, at most
REPAINT_AFTER = 1.0  # seconds, without any cause: what is typed elsewhere fades
TYPING_EVERY = 3.0  # seconds between two signals of typing
LINES = 100  # entered and not yet run
ESCAPE_AFTER = 0.05  # seconds: an escape that nothing follows is the key itself
ROOM_PAGES = 20
RETRY = 2.0  # seconds


class Terminal(Protocol):
    """A screen and a keyboard."""

    def size(self) -> tuple[int, int]:
        """(columns, rows)."""
        ...

    async def read(self) -> bytes:
        """The next keys; empty at the end."""
        ...

    async def write(self, data: bytes) -> None: ...


class ChatApp:
    def __init__(self, client: Client, terminal: Terminal, media_url: str) -> None:
        self._client = client
        self._terminal = terminal
        self._media_url = media_url
        self._model = Model()
        self._editor = LineEditor()
        self._decoder = KeyDecoder()
        self._loaded = False
        self._dirty = trio.Event()
        self._chore = trio.Event()
        self._frame: Frame | None = None
        self._typed_at = -TYPING_EVERY
        # When the user runs ahead of what can be done, the keys wait in the terminal.
        self._lines_in, self._lines = trio.open_memory_channel[str](LINES)

    async def run(self) -> None:
        """Until the user leaves, or the terminal does."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._actions = Actions(self._client, self._model, nursery, self._media_url)
            self._take_queued()
            nursery.start_soon(self._follow_events)
            nursery.start_soon(self._run_lines)
            nursery.start_soon(self._do_chores)
            nursery.start_soon(self._paint)
            nursery.start_soon(self._follow_signals)
            await self._read_keys()
            nursery.cancel_scope.cancel()

    def _stir(self) -> None:
        """Something may have changed: draw it, and do what it asks for."""
        self._dirty.set()
        self._chore.set()

    # The keyboard.

    async def _read_keys(self) -> None:
        while True:
            data = None
            with trio.move_on_after(ESCAPE_AFTER if self._decoder.waiting else float("inf")):
                data = await self._terminal.read()
            if data == b"":
                return
            for press in self._decoder.flush() if data is None else self._decoder.feed(data):
                if press in (Key.INTERRUPT, Key.END_OF_INPUT):
                    return
                await self._press(press)
            self._dirty.set()

    async def _press(self, press: Press) -> None:
        model = self._model
        if press is Key.REDRAW:
            self._frame = None
        elif press in (Key.PAGE_UP, Key.PAGE_DOWN):
            _, rows = self._terminal.size()
            up = (press is Key.PAGE_UP) == (model.page is None)
            model.scroll = max(0, model.scroll + (rows // 2 if up else -(rows // 2)))
        elif press is Key.ESCAPE:
            model.page, model.scroll = None, 0
            self._actions.look()
            self._stir()
        else:
            line = self._editor.press(press)
            self._tell_typing(entered=line is not None)
            if line is not None:
                await self._lines_in.send(line)

    def _tell_typing(self, *, entered: bool) -> None:
        now = trio.current_time()
        text = self._editor.text
        typing = bool(text) and not text.startswith("/") and self._model.visible_room is not None
        if typing and now - self._typed_at >= TYPING_EVERY:
            self._typed_at = now
            self._nursery.start_soon(self._actions.tell_activity, frames_pb2.ACTIVITY_TYPING)
        elif not text and not entered and now - self._typed_at < TYPING_EVERY:
            self._nursery.start_soon(self._actions.tell_activity, frames_pb2.ACTIVITY_NONE)
        if not text:
            self._typed_at = -TYPING_EVERY

    async def _run_lines(self) -> None:
        async for line in self._lines:
            try:
                await self._actions.run(line)
            except Quit:
                self._nursery.cancel_scope.cancel()
            self._stir()

    # The server.

    async def _follow_events(self) -> None:
        try:
            async for event in self._client.events:
                now = trio.current_time()
                if isinstance(event, events.Connected):
                    if not (event.resumed and self._loaded):
                        await self._load()
                elif isinstance(event, events.Resynced):
                    await self._load()
                self._model.apply(event, now)
                self._stir()
        except Stopped as error:
            self._model.online, self._model.status = False, error.message
            self._stir()

    async def _load(self) -> None:
        """Loads the lists, however often it takes: the cursor waits for them."""
        while True:
            try:
                await self._load_lists()
            except Stopped:
                raise
            except CallError as error:
                self._model.notice = f"cannot load: {error.message}"
                self._dirty.set()
                await trio.sleep(RETRY)
                continue
            self._loaded = True
            return

    async def _load_lists(self) -> None:
        model, client = self._model, self._client
        model.me = (await UsersClient(client).get_me(users_pb2.GetMeRequest())).user
        model.know([model.me])
        chat = ChatClient(client)
        summaries: list[models_pb2.RoomSummary] = []
        after = b""
        for _ in range(ROOM_PAGES):
            page = await chat.list_rooms(chat_pb2.ListRoomsRequest(after=after, limit=100))
            summaries += page.rooms
            after = page.next
            if not after:
                break
        client.loaded(summaries)
        notifications = await NotificationsClient(client).list_notifications(
            notifications_pb2.ListNotificationsRequest(limit=50)
        )
        model.take_rooms(summaries)
        model.notifications.clear()
        for notification in notifications.notifications:
            model.take_notification(notification)

    def _take_queued(self) -> None:
        """Shows what an earlier run could not send."""
        for ticket in self._client.queue.pending():
            queued = ticket.queued
            if queued.method != "Chat.SendMessage":
                continue
            request = chat_pb2.SendMessageRequest.FromString(queued.payload)
            outgoing = Outgoing(
                client_id=request.client_id,
                room_id=request.room_id,
                text=request.text,
                created_ms=self._client.options.now_ms(),
                reply_to=request.reply_to,
                photos=len(request.media_ids),
            )
            self._model.outgoing[outgoing.client_id] = outgoing
            mine: Ticket[models_pb2.Message] = ticket  # type: ignore[assignment]
            self._nursery.start_soon(self._actions.watch_sending, outgoing, mine)

    async def _do_chores(self) -> None:
        """What follows from what is on the screen; what fails is tried at the next occasion."""
        while True:
            await self._chore.wait()
            self._chore = trio.Event()
            try:
                await self._load_what_is_shown()
                await self._mark()
            except Stopped:
                return
            except CallError as error:
                self._model.notice = error.message
            self._dirty.set()

    async def _load_what_is_shown(self) -> None:
        model = self._model
        if not self._client.connected:
            return
        room = model.visible_room
        if room is not None and not room.loaded:
            await self._actions.load_history(room)
        strangers = model.strangers()
        if strangers:
            answer = await UsersClient(self._client).get_users(
                users_pb2.GetUsersRequest(user_ids=sorted(strangers)[:200])
            )
            model.know(answer.users)
            gone = strangers - {user.id for user in answer.users}
            model.know(models_pb2.User(id=one, username=f"user{one}") for one in gone)
        absent = model.unknown_presence()[:200]
        if absent:
            presences = await ChatClient(self._client).get_presence(
                chat_pb2.GetPresenceRequest(user_ids=absent)
            )
            for user_id in absent:  # of some nothing may be known
                model.presence.setdefault(user_id, frames_pb2.Presence(user_id=user_id))
            for presence in presences.presences:
                model.presence[presence.user_id] = presence
        page = model.page
        if isinstance(page, Comments) and page.post.comments != len(page.comments):
            again = await self._actions.load_comments(page.post)
            if model.page is page:
                page.comments = again.comments

    async def _mark(self) -> None:
        """Says what has come, and what is seen."""
        for room in list(self._model.rooms.values()):
            last = room.room.last_number
            if room is self._model.visible_room and room.loaded:
                if room.me.read_number < last:
                    await self._actions.mark(room, read=True)
            elif room.me.delivered_number < last:
                await self._actions.mark(room, read=False)

    # The screen.

    async def _paint(self) -> None:
        while True:
            with trio.move_on_after(REPAINT_AFTER):
                await self._dirty.wait()
            self._dirty = trio.Event()
            size = self._terminal.size()
            frame = draw(self._model, self._editor, size, trio.current_time())
            await self._terminal.write(repaint(self._frame, frame))
            self._frame = frame
            await trio.sleep(PAINT_EVERY)

    async def _follow_signals(self) -> None:
        with trio.open_signal_receiver(
            signal.SIGWINCH, signal.SIGTERM, signal.SIGHUP, signal.SIGINT
        ) as signals:
            async for number in signals:
                if number != signal.SIGWINCH:
                    self._nursery.cancel_scope.cancel()
                self._frame = None
                self._dirty.set()
