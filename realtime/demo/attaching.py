"""What people do with films, moving images and voices: post them, send them, take them back; and
that whoever may see them does, and nobody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urljoin

import trio

from realtime.demo.check import Difference
from realtime.demo.circles import Post
from realtime.demo.films import Clips, clips
from realtime.demo.person import Person
from realtime.demo.playing import LINKS, first_look, open_http, play
from realtime.demo.sources import FILM
from realtime.demo.world import Room, World, Written
from rpc.proto import media_pb2, models_pb2, posts_pb2
from rpc.proto.stubs import MediaClient, PostsClient


class Attaching:
    """`found` is where differences go."""

    def __init__(self, world: World, media_url: str, found: list[Difference]) -> None:
        self._world = world
        self._media_url = media_url
        self._found = found
        self._clips: dict[int, Clips] = {}
        self._making = trio.CapacityLimiter(1)  # more would only take turns at the interpreter

    def _tell(self, person: Person, media_id: str, detail: str) -> None:
        if detail:
            kind = self._world.pictures[media_id].kind
            self._found.append(Difference(person.name, f"{kind} {media_id}", "state", detail))

    async def _clips_of(self, person: Person) -> Clips:
        if person.number not in self._clips:
            made = await trio.to_thread.run_sync(
                clips, person.photographs, person.number, limiter=self._making
            )
            self._clips[person.number] = made
        return self._clips[person.number]

    async def send(self, person: Person) -> None:
        """A voice message, and by some a film, in rooms of his."""
        mine = await self._clips_of(person)
        for source in filter(None, (mine.voice, mine.sent)):
            media = await person.upload(models_pb2.PURPOSE_CHAT, source)
            await person.send(person.random.choice(person.rooms), "", media_ids=(media.id,))

    async def post(self, person: Person) -> None:
        """A film or a moving image. Of a film a colour and the poster are there at once."""
        source = (await self._clips_of(person)).posted
        media = await person.upload(models_pb2.PURPOSE_POST, source)
        text = f"this moves, says {person.name}"
        answer = await PostsClient(person.client).create_post(
            posts_pb2.CreatePostRequest(text=text, media_ids=[media.id])
        )
        post = Post(answer.id, person.user_id, text, (media.id,))
        self._world.circles.posted(post, films=source.kind == FILM)
        if source.kind == FILM:
            async with open_http() as http:
                self._tell(person, media.id, await first_look(http, self._media_url, media))

    async def take_back(self, person: Person, people: Mapping[int, Person]) -> None:
        """Deletes a message with something attached, which nobody has hidden from himself: he
        would hear no more of it. Another member, who has seen it by links of his own, does so no
        longer, by those links neither."""
        for room in person.rooms:
            hidden = {message_id for _, message_id in room.hidden}
            for written in room.readable(person.user_id):
                mine = written.sender_id == person.user_id and written.id not in hidden
                others = _others(room, person, written)
                if others and written.media_ids and mine:
                    await self._take_back(person, people[others[0]], room, written)
                    return

    async def _take_back(self, person: Person, other: Person, room: Room, written: Written) -> None:
        async with open_http() as http:
            links: list[tuple[str, str]] = []
            for media_id in written.media_ids:
                picture = self._world.pictures[media_id]
                for preset in LINKS.get(picture.kind, ("large",)):
                    url = await self.link(other, media_id, preset)
                    links.append((media_id, url))
                    said = await play(http, url, picture.seconds) if url else "no link for a member"
                    self._tell(other, media_id, said)
            media_ids = written.media_ids
            await person.delete(room, written.id)
            for media_id, url in links:
                status = (await http.get(url)).status_code if url else 404
                said = "" if status == 404 else f"status {status} when its message was deleted"
                self._tell(other, media_id, said)
            for media_id in media_ids:
                url = await self.link(other, media_id, "")
                self._tell(other, media_id, "a link when its message was deleted" if url else "")
        self._world.counts["attachments_taken_back"] += 1

    async def link(self, person: Person, media_id: str, preset: str) -> str:
        """His link to it; "" where he is not given one."""
        request = media_pb2.LinkMediaRequest(media_ids=[media_id], preset=preset)
        answer = await MediaClient(person.client).link_media(request)
        return urljoin(self._media_url, answer.links[0].url) if answer.links else ""


def _others(room: Room, person: Person, written: Written) -> Sequence[int]:
    """Other members who may read a message."""
    return [
        one
        for one in room.members
        if one != person.user_id and written in room.readable(one) and not written.deleted
    ]
