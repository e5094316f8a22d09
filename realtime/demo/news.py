"""The model's notifications: why each user is told of what, and how that is grouped (pure)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from realtime.demo.items import Slot
from rpc.proto import models_pb2

Cause = tuple[int, int, int, int]  # kind, actor, post, comment

LIKE = models_pb2.NOTIFICATION_LIKE
COMMENT = models_pb2.NOTIFICATION_COMMENT
REPLY = models_pb2.NOTIFICATION_REPLY
FOLLOW = models_pb2.NOTIFICATION_FOLLOW
MENTION = models_pb2.NOTIFICATION_MENTION

NAMED = 3  # people that a notification names at most


class Deed(NamedTuple):
    """Where a cause stands: `about` and `stretch` (between two looks of the user at his
    notifications) part what is of one kind and about one post."""

    position: int
    about: int
    stretch: int


class Face(NamedTuple):
    """What a notification shows."""

    kind: int
    post_id: int
    latest: int
    named: tuple[int, ...]
    actors: int
    comment_id: int
    text: str


class News:
    """What one user is told of."""

    def __init__(self) -> None:
        self.standing: dict[Cause, Deed] = {}
        self.seen = 0  # the position up to which he has seen them
        self._ever: set[Cause] = set()
        self._looks = 0

    def tell(self, cause: Cause, position: int, about: int = 0) -> None:
        self.standing[cause] = Deed(position, about, self._looks)
        self._ever.add(cause)

    def take_back(self, cause: Cause) -> None:
        self.standing.pop(cause, None)

    def take_back_post(self, post_id: int) -> None:
        for cause in [one for one in self.standing if one[2] == post_id]:
            self.take_back(cause)

    def saw(self, up_to: int) -> None:
        self.seen = up_to
        self._looks += 1

    def faces(self, texts: dict[int, list[str]]) -> list[Face]:
        """His notifications, the latest first. `texts` are all versions of each comment."""
        groups: defaultdict[tuple[int, ...], list[tuple[int, int, int]]] = defaultdict(list)
        for (kind, actor, post, comment), deed in self.standing.items():
            group = (kind, post, deed.about, deed.stretch)
            groups[group].append((deed.position, actor, comment))
        found = []
        for (kind, post, *_), deeds in groups.items():
            deeds.sort(reverse=True)
            latest, _, comment = deeds[0]
            actors = tuple(dict.fromkeys(actor for _, actor, _ in deeds))
            text = texts[comment][-1] if comment else ""
            found.append(Face(kind, post, latest, actors[:NAMED], len(actors), comment, text))
        return sorted(found, key=lambda face: -face.latest)

    def troubles(
        self, slots: Iterable[Slot], texts: dict[int, list[str]]
    ) -> Iterator[tuple[str, str]]:
        """Notifications that a device has received, now or earlier, and that never were so:
        what is wrong, and which it was."""
        for slot in slots:
            row = slot.row
            if not isinstance(row, models_pb2.Notification):
                continue
            face = face_of(row)
            actors = {
                actor
                for kind, actor, post, _ in self._ever
                if (kind, post) == (face.kind, face.post_id)
            }
            if not actors.issuperset(face.named):
                yield "unexpected", str(slot)
            elif (
                not len(face.named) <= face.actors <= len(actors)
                or face.text not in ["", *texts.get(face.comment_id, ())]
                or row.changed < slot.position
            ):
                yield "altered", str(slot)


def face_of(row: models_pb2.Notification) -> Face:
    return Face(
        int(row.kind),
        row.post_id,
        row.latest,
        (row.actor.id, *(one.id for one in row.others)),
        row.actor_count,
        row.comment_id,
        row.comment_text,
    )


def faces_of(rows: Iterable[models_pb2.Notification]) -> list[Face]:
    """The latest first."""
    return sorted((face_of(row) for row in rows), key=lambda face: -face.latest)
