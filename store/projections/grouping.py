"""Which causes a notification gathers, entry by entry (pure).

A notification is a group: what people do of one kind about one thing (likes of a post, comments
on it, answers to a comment, follows) from one look of its user at his notifications to the next.
His look closes what is open, and what comes afterwards begins anew; so what he has seen does not
come back to him. Each cause belongs to the stretch between two looks in which it fell, whatever
else has happened and however late it is read. That makes groups a function of the log.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from store.log import Entry
from store.projections.causes import Cause, Telling, Text
from store.records import NotificationKind

NAMED = 3  # the latest actors of a group that a notification names


class Key(NamedTuple):
    """What a group gathers; a user has one open group of each."""

    user_id: int
    kind: NotificationKind
    post_id: int
    about_id: int


class Face(NamedTuple):
    """What a client sees of a group: when it changes, it is told again."""

    actors: int = 0  # how many people
    recent: tuple[int, ...] = ()  # the latest few of them, the latest first
    latest: int = 0  # position of the latest deed
    latest_ms: int = 0
    comment_id: int = 0  # of the latest deed


NOBODY = Face()


@dataclass(eq=False, slots=True)
class Group:
    """A notification. Without causes it is none, and is taken back."""

    key: Key
    opened: int
    id: int = 0  # 0: nobody has been told of it yet
    closed: int = 0  # position of the look that closed it; 0: open
    face: Face = NOBODY
    told: Face = NOBODY  # the face that was told
    told_at: int = 0  # position of the entry that told it
    by: int = 0  # who has changed it last
    again: bool = False  # to be told again, with the same face
    stale: bool = False  # somebody it named has left: the face is to be made afresh

    @property
    def changed(self) -> bool:
        return self.again or self.stale or self.face != self.told


@dataclass(slots=True)
class Receiver:
    """A user who has notifications, as far as the log was read."""

    muted: int = 0  # bits: 1 << kind
    held: int = 0  # notifications
    stored: tuple[int, int] = (0, 0)

    @property
    def changed(self) -> bool:
        return (self.muted, self.held) != self.stored


class Deed(NamedTuple):
    """Where a cause stands: in which group, and when it came about."""

    group: Group
    position: int
    at_ms: int


class Grouping:
    """The groups that a step may concern, with those of their causes that it may concern: of
    an actor whom it concerns all that he did about the same post."""

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self.receivers: dict[int, Receiver] = {}
        self.looks: list[tuple[int, int]] = []  # (user, position)
        self.gone_posts: dict[int, None] = {}
        self._open: defaultdict[int, dict[Key, Group]] = defaultdict(dict)  # by user
        self._known: dict[Cause, Deed] = {}  # as it was before this step
        self._standing: dict[Cause, Deed] = {}
        self._shares: Counter[tuple[Group, int]] = Counter()  # deeds of an actor in a group
        self._of_text: defaultdict[Text, dict[Cause, None]] = defaultdict(dict)

    def load(self, group: Group) -> None:
        self.groups.append(group)
        if not group.closed:
            self._open[group.key.user_id][group.key] = group

    def load_cause(self, cause: Cause, deed: Deed) -> None:
        self._known[cause] = deed
        self._stand(cause, deed)

    # What the log says, entry by entry

    def tell(self, telling: Telling, entry: Entry) -> None:
        """A cause has come about. One that stands already is told of no more, nor is a text of
        which the user has heard for another reason."""
        muted = self.receivers[telling.user_id].muted
        reason = next((one for one in telling.reasons if not muted >> one.kind & 1), None)
        if reason is None:
            return
        cause = telling.cause(reason.kind)
        heard = () if cause.text is None else self._of_text[cause.text]
        if cause in self._standing or any(one.user_id == cause.user_id for one in heard):
            return
        key = Key(cause.user_id, cause.kind, cause.post_id, reason.about_id)
        group = self._open[key.user_id].get(key)
        if group is None:
            group = Group(key, entry.position)
            self.load(group)
        self._stand(cause, Deed(group, entry.position, entry.at_ms))
        group.by = cause.actor_id
        face = group.face
        first = self._shares[group, cause.actor_id] == 1
        if entry.position < face.latest:  # told of late
            group.face = face._replace(actors=face.actors + first)
            group.stale = True
            return
        others = tuple(one for one in face.recent if one != cause.actor_id)
        group.face = Face(
            face.actors + first,
            (cause.actor_id, *others)[:NAMED],
            entry.position,
            entry.at_ms,
            cause.comment_id,
        )

    def take_back(self, cause: Cause, entry: Entry) -> None:
        """A cause has ended; not one that has come about afresh since, nor one whose post is
        gone already."""
        deed = self._standing.get(cause)
        if deed is None or deed.position > entry.position or cause.post_id in self.gone_posts:
            return
        del self._standing[cause]
        if cause.text is not None:
            del self._of_text[cause.text][cause]
        group = deed.group
        group.by = entry.actor_id
        self._shares[group, cause.actor_id] -= 1
        if not self._shares[group, cause.actor_id]:
            group.face = group.face._replace(actors=group.face.actors - 1)
        if cause.actor_id in group.face.recent:
            group.stale = True

    def take_back_text(self, text: Text, entry: Entry) -> None:
        for cause in list(self._of_text[text]):
            self.take_back(cause, entry)

    def take_back_between(self, one: int, other: int, entry: Entry) -> None:
        """What two have told each other has ended."""
        for cause in list(self._standing):
            if (cause.user_id, cause.actor_id) in ((one, other), (other, one)):
                self.take_back(cause, entry)

    def edit(self, text: Text, entry: Entry, mentioned: Mapping[int, int]) -> None:
        """Whom a text mentions no more (or again since, of which a later entry tells) leaves;
        groups that show the text, and were told before it changed, show it anew."""
        for cause in list(self._of_text[text]):
            deed = self._standing[cause]
            gone = mentioned.get(cause.user_id) != deed.position
            if cause.kind is NotificationKind.MENTION and gone:
                self.take_back(cause, entry)
            group = deed.group
            shown = text.comment_id and group.face.comment_id == text.comment_id
            if shown and group.told_at < entry.position:
                group.again, group.by = True, entry.actor_id

    def take_back_post(self, post_id: int, entry: Entry) -> None:
        """A post is gone, and with it all that was about it."""
        self.gone_posts[post_id] = None
        for group in self.groups:
            if group.key.post_id == post_id:
                group.face, group.by = NOBODY, entry.actor_id

    def look(self, user_id: int, entry: Entry) -> None:
        """A user has looked at his notifications: what was open is closed."""
        self.looks.append((user_id, entry.position))
        still_open = self._open[user_id]
        for key, group in list(still_open.items()):
            if group.opened < entry.position:
                group.closed = entry.position
                del still_open[key]

    # What has become of it

    def ended(self) -> Iterator[Cause]:
        """Causes that stood before and do not now, or no longer as they did."""
        for cause, deed in self._known.items():
            if self._standing.get(cause) != deed:
                yield cause

    def begun(self) -> Iterator[tuple[Cause, Deed]]:
        """Causes that stand now and did not before, or not as they do."""
        for cause, deed in self._standing.items():
            if self._known.get(cause) != deed and cause.post_id not in self.gone_posts:
                yield cause, deed

    def _stand(self, cause: Cause, deed: Deed) -> None:
        self._standing[cause] = deed
        self._shares[deed.group, cause.actor_id] += 1
        if cause.text is not None:
            self._of_text[cause.text][cause] = None
