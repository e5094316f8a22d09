"""What happens in the demo, act by act.

Between two acts everybody is waited for: until all that has been acknowledged has reached
every device. So what an act undoes (a like, a comment, a follow) has been heard of before, and
nobody looks at his notifications while others make some. Within an act everybody acts at once,
on lines that break.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from random import Random

import trio

from realtime.demo.attaching import Attaching
from realtime.demo.circles import Comment, Post
from realtime.demo.nodes import Nodes
from realtime.demo.person import PATIENCE, Device, Person
from realtime.demo.relay import Relay
from realtime.demo.verdict import has_all
from realtime.demo.world import Room, World
from rpc.proto import (
    chat_pb2,
    comments_pb2,
    follows_pb2,
    likes_pb2,
    models_pb2,
    notifications_pb2,
    posts_pb2,
)
from rpc.proto.stubs import (
    ChatClient,
    CommentsClient,
    FollowsClient,
    LikesClient,
    NotificationsClient,
    PostsClient,
)

STEPS = 12  # what everybody does in each half of the conversation
CUTS = 3  # of each line in the conversation's halves; one in the other acts
SETTLE = 30.0  # seconds for everything to have arrived everywhere
POLL = 0.05


class NotSettled(Exception):
    """Something has not arrived; what, the comparison will say."""


class Story:
    def __init__(
        self,
        world: World,
        people: Sequence[Person],
        nodes: Nodes,
        relays: Sequence[Relay],
        media_relay: Relay,
        attaching: Attaching,
        random: Random,
        *,
        drop: bool,
        kill: bool,
        say: Callable[[str], None],
    ) -> None:
        self._world = world
        self._people = people
        self._nodes = nodes
        self._relays = relays
        self._media_relay = media_relay
        self._attaching = attaching
        self._random = random
        self._drop = drop
        self._kill = kill
        self._say = say
        self._half_said = trio.Event()
        self.act = ""  # the present one
        self.moved = 0  # devices that a killed node has sent to another

    async def play(self) -> None:
        """Raises `CallError` for a call that was refused, and `NotSettled`."""
        acts: list[tuple[str, Callable[[], Awaitable[None]], int]] = [
            ("everybody signs up", self._arrive, 1),
            ("profiles and pictures", self._introduce, 1),
            ("they follow one another", self._follow, 1),
            ("rooms are opened", self._open_rooms, 1),
            ("they talk", self._talk_through_a_kill, CUTS),
            ("some leave, some come, groups are renamed", self._come_and_go, 1),
            ("they talk on", self._talk, CUTS),
            ("they send voices and films", self._send_clips, 1),
            ("they post photographs, films and moving images", self._post, 1),
            ("they like and comment", self._react, 1),
            ("they answer comments", self._answer, 1),
            ("they change their minds", self._undo, 1),
            ("what was attached is taken back", self._take_back, 1),
            ("the lines hold, everybody catches up", self._catch_up, 0),
        ]
        for name, act, cuts in acts:
            self.act = name
            self._say(name)
            self._set_cuts(cuts if self._drop else 0)
            await act()
            await self._settle()

    def _set_cuts(self, cuts: int) -> None:
        for relay in (*self._relays, self._media_relay):
            if cuts:
                relay.arm(cuts)
            else:
                relay.disarm()

    async def _everybody(
        self, do: Callable[[Person], Awaitable[None]], people: Iterable[Person] | None = None
    ) -> None:
        async with trio.open_nursery() as nursery:
            for person in self._people if people is None else people:
                nursery.start_soon(do, person)

    async def _settle(self) -> None:
        waiting = [(person, device) for person in self._people for device in person.devices]
        with trio.move_on_after(SETTLE):
            while waiting:
                waiting = [one for one in waiting if not self._has_all(*one)]
                if waiting:
                    await trio.sleep(POLL)
            return
        names = ", ".join(device.name for _, device in waiting)
        raise NotSettled(f"after {SETTLE:g} seconds something is missing at {names}")

    def _has_all(self, person: Person, device: Device) -> bool:
        return has_all(self._world, person.user_id, device.session_id, device.record)

    # Accounts

    async def _arrive(self) -> None:
        async def sign_up(person: Person) -> None:
            await person.ask_for_code()
            await person.sign_up(await self._nodes.code(person.address, PATIENCE))

        await self._everybody(sign_up)

    async def _introduce(self) -> None:
        await self._everybody(Person.introduce)

    async def _follow(self) -> None:
        async def follow(person: Person) -> None:
            others = [one for one in self._people if one is not person]
            for other in person.random.sample(others, min(4, len(others))):
                await self._set_follow(person, other.user_id, following=True)

        await self._everybody(follow)

    async def _set_follow(self, person: Person, other_id: int, *, following: bool) -> None:
        follows = FollowsClient(person.client)
        if following:
            answer = await follows.follow_user(follows_pb2.FollowUserRequest(user_id=other_id))
        else:
            answer = await follows.unfollow_user(follows_pb2.UnfollowUserRequest(user_id=other_id))
        self._world.circles.followed(person.user_id, other_id, following, answer.changed)

    # Rooms

    async def _open_rooms(self) -> None:
        """A direct room of everybody with the next, a group of all, and smaller groups."""
        people = self._people

        async def direct(person: Person) -> None:
            other = people[(people.index(person) + 1) % len(people)]
            summary = await ChatClient(person.client).open_direct(
                chat_pb2.OpenDirectRequest(user_id=other.user_id)
            )
            members = await person.members_of(summary.room.id)
            self._world.created(summary, summary.room.title, members)

        await self._everybody(direct)
        await self._group(people[0], "everybody", people)
        for number in range(max(1, len(people) // 4)):
            chosen = self._random.sample(people, max(3, len(people) // 2))
            await self._group(chosen[0], f"group {number + 1}", chosen)

    async def _group(self, owner: Person, title: str, people: Sequence[Person]) -> None:
        summary = await ChatClient(owner.client).create_group(
            chat_pb2.CreateGroupRequest(title=title, user_ids=[one.user_id for one in people])
        )
        self._world.created(summary, title, await owner.members_of(summary.room.id))

    def _groups(self) -> list[Room]:
        return [one for one in self._world.rooms.values() if one.kind == models_pb2.ROOM_GROUP]

    async def _come_and_go(self) -> None:
        by_id = {person.user_id: person for person in self._people}
        groups = self._groups()
        for room in groups[1:]:  # everybody stays in the first
            goer = by_id[self._random.choice([i for i in room.members if i != room.owner_id])]
            await ChatClient(goer.client).leave_room(chat_pb2.LeaveRoomRequest(room_id=room.id))
            self._world.left(room, goer.user_id)
        await self._settle()
        for room in groups[1:]:
            owner = by_id[room.owner_id]
            strangers = [i for i in by_id if i not in room.stays]
            if strangers:
                await self._add(owner, room, self._random.choice(strangers))
            title = f"{room.title}, renamed"
            answer = await ChatClient(owner.client).update_room(
                chat_pb2.UpdateRoomRequest(room_id=room.id, title=title)
            )
            self._world.renamed(room, title, answer.changed)

    async def _add(self, owner: Person, room: Room, user_id: int) -> None:
        await ChatClient(owner.client).add_members(
            chat_pb2.AddMembersRequest(room_id=room.id, user_ids=[user_id])
        )
        members = await owner.members_of(room.id)
        self._world.joined(room, next(one for one in members if one.user.id == user_id))

    # The conversation

    async def _talk_through_a_kill(self) -> None:
        """With a kill -9 in the middle. Of several nodes the others go on with everybody, and
        the killed one comes back when all has been said."""
        if not self._kill:
            await self._talk()
            return
        several = self._nodes.victim > 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._move_in_the_middle if several else self._kill_in_the_middle)
            await self._talk()
        if several:
            self._say("the killed node is started again")
            await self._nodes.restart()

    async def _kill_in_the_middle(self) -> None:
        await self._half_said.wait()
        self._say("kill -9, and a new server process")
        await self._nodes.kill()
        await trio.sleep(self._random.uniform(0.0, 0.5))
        await self._nodes.restart()

    async def _move_in_the_middle(self) -> None:
        await self._half_said.wait()
        devices = [device for person in self._people for device in person.devices]
        killed = self._nodes.victim
        there = [device for device in devices if device.is_at([killed])]
        self._say(f"kill -9 of the node at which {len(there)} of {len(devices)} devices are")
        await self._nodes.kill()
        with trio.move_on_after(SETTLE):
            while not all(device.is_at(range(killed)) for device in there):  # noqa: ASYNC110
                await trio.sleep(POLL)
        self.moved = sum(device.is_at(range(killed)) for device in there)
        self._say(f"{self.moved} of them are at another")

    async def _talk(self) -> None:
        await self._everybody(self._converse)

    async def _converse(self, person: Person) -> None:
        """Messages are queued without waiting for the last one; the rest is done in turn."""
        random = person.random
        async with trio.open_nursery() as nursery:
            for step in range(STEPS):
                await trio.sleep(random.uniform(0.0, 0.15))
                room = random.choice(person.rooms)
                roll = random.random()
                text = f"{person.name} says {step} in {room.title or 'private'}"
                mine = person.own_message(room)
                if roll < 0.12:
                    await person.mark(room, seen=random.random() < 0.7)
                elif roll < 0.24 and mine:
                    await person.edit(room, mine, f"{text}, in other words")
                elif roll < 0.30 and mine:
                    await person.delete(room, mine)
                elif roll < 0.36:
                    media = await person.upload(models_pb2.PURPOSE_CHAT)
                    await person.send(room, "", media_ids=(media.id,))
                else:
                    reply_to = person.answerable(room) if roll < 0.55 else 0
                    nursery.start_soon(self._send, person, room, text, reply_to)

    async def _send(self, person: Person, room: Room, text: str, reply_to: int) -> None:
        await person.send(room, text, reply_to=reply_to)
        if self._world.counts["messages"] >= len(self._people) * STEPS // 4:
            self._half_said.set()

    async def _send_clips(self) -> None:
        await self._everybody(self._attaching.send)

    async def _take_back(self) -> None:
        by_id = {person.user_id: person for person in self._people}

        async def take_back(person: Person) -> None:
            await self._attaching.take_back(person, by_id)

        await self._everybody(take_back, self._people[::2])

    # Posts

    async def _post(self) -> None:
        await self._everybody(self._post_one)
        await self._everybody(self._attaching.post)

    async def _post_one(self, person: Person) -> None:
        media_id = (await person.upload(models_pb2.PURPOSE_POST)).id
        posts = PostsClient(person.client)
        circles = self._world.circles
        text = f"seen by {person.name}"
        answer = await posts.create_post(
            posts_pb2.CreatePostRequest(text=text, media_ids=[media_id])
        )
        photograph = Post(answer.id, person.user_id, text, (media_id,))
        circles.posted(photograph)
        text = f"{person.name} has no photograph of this"
        answer = await posts.create_post(posts_pb2.CreatePostRequest(text=text))
        circles.posted(Post(answer.id, person.user_id, text, ()))
        text = f"seen and described by {person.name}"
        answer = await posts.edit_post(posts_pb2.EditPostRequest(post_id=photograph.id, text=text))
        circles.edited_post(photograph, text, answer.changed)

    async def _react(self) -> None:
        async def react(person: Person) -> None:
            posts = list(self._world.circles.posts.values())
            for post in person.random.sample(posts, min(5, len(posts))):
                await self._set_like(person, post, liked=True)
            for post in person.random.sample(posts, min(2, len(posts))):
                other = person.random.choice(self._people)
                text = f"{person.name} finds that remarkable, @{other.name}"
                await self._comment(person, post, text, mentioned=(other.user_id,))

        await self._everybody(react)

    async def _set_like(self, person: Person, post: Post, *, liked: bool) -> None:
        likes = LikesClient(person.client)
        if liked:
            answer = await likes.like_post(likes_pb2.LikePostRequest(post_id=post.id))
        else:
            answer = await likes.unlike_post(likes_pb2.UnlikePostRequest(post_id=post.id))
        self._world.circles.liked(person.user_id, post, liked, answer.changed)

    async def _comment(
        self,
        person: Person,
        post: Post,
        text: str,
        reply_to: int = 0,
        mentioned: tuple[int, ...] = (),
    ) -> None:
        answer = await CommentsClient(person.client).add_comment(
            comments_pb2.AddCommentRequest(post_id=post.id, text=text, reply_to=reply_to)
        )
        comment = Comment(answer.id, post.id, person.user_id, text, reply_to, mentioned)
        self._world.circles.commented(comment)

    async def _answer(self) -> None:
        circles = self._world.circles
        comments = list(circles.comments.values())

        async def answer(person: Person) -> None:
            comment = person.random.choice(comments)
            post = circles.posts[comment.post_id]
            await self._comment(person, post, f"{person.name} agrees", reply_to=comment.id)

        await self._everybody(answer)

    # Second thoughts

    async def _undo(self) -> None:
        """Everybody takes something back. What depends on a thing goes before the thing."""
        await self._everybody(self._undo_some)
        await self._settle()
        await self._everybody(self._tidy)
        await self._settle()
        circles = self._world.circles
        authors = self._random.sample(self._people, max(1, len(self._people) // 4))

        async def delete(person: Person) -> None:
            post = self._random.choice(circles.posts_of(person.user_id))
            await PostsClient(person.client).delete_post(
                posts_pb2.DeletePostRequest(post_id=post.id)
            )
            circles.deleted_post(post)

        await self._everybody(delete, authors)

    async def _undo_some(self, person: Person) -> None:
        circles, me, random = self._world.circles, person.user_id, person.random
        liked = [post for post in circles.posts.values() if me in post.likes]
        for post in random.sample(liked, min(2, len(liked))):
            await self._set_like(person, post, liked=False)
        followed = circles.followings(me)
        await self._set_follow(person, random.choice(followed), following=False)
        room = random.choice(person.rooms)
        theirs = person.answerable(room)
        if theirs:
            await person.hide(room, theirs)
        comments = CommentsClient(person.client)
        edited, *deleted = [one for one in circles.comments.values() if one.author_id == me][:2]
        text = f"{edited.text}, on second thoughts"
        answer = await comments.edit_comment(
            comments_pb2.EditCommentRequest(comment_id=edited.id, text=text)
        )
        circles.edited_comment(edited, text, answer.changed)
        for comment in deleted:
            await comments.delete_comment(comments_pb2.DeleteCommentRequest(comment_id=comment.id))
            circles.deleted_comment(comment, me)

    async def _tidy(self, person: Person) -> None:
        """Removes a stranger's comment from his own posts, and follows somebody again."""
        circles, me = self._world.circles, person.user_id
        for comment in circles.comments.values():
            post = circles.posts[comment.post_id]
            if post.author_id == me and comment.author_id != me and not comment.deleted:
                await CommentsClient(person.client).delete_comment(
                    comments_pb2.DeleteCommentRequest(comment_id=comment.id)
                )
                circles.deleted_comment(comment, me)
                break
        others = {one.user_id for one in self._people} - {me, *circles.followings(me)}
        if others and person.random.random() < 0.5:
            await self._set_follow(person, person.random.choice(sorted(others)), following=True)

    async def _catch_up(self) -> None:
        async def catch_up(person: Person) -> None:
            for room in person.rooms[::2]:  # the other half stays unread
                await person.mark(room)
            held = sorted(one.latest for one in person.devices[0].record.notifications.values())
            if held:
                answer = await NotificationsClient(person.client).mark_seen(
                    notifications_pb2.MarkSeenRequest(up_to=held[len(held) // 2])
                )
                self._world.circles.saw(person.user_id, answer.up_to, answer.changed)

        await self._everybody(catch_up)
