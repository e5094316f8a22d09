"""How much of an object has come, told to its owner while it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from store.blobs import CHUNK
from store.records import MediaRecord

OnProgress = Callable[[int, str, int, int], None]
"""(owner's id, media id, bytes received, bytes in all); never waits."""


class Progress:
    """Over all the uploads that an object is made of; what runs on another server is known as
    it was when the request here began."""

    def __init__(self, tell: OnProgress) -> None:
        self._tell = tell
        self._offsets: dict[str, dict[str, int]] = {}  # by object, by upload
        self._requests: dict[str, int] = {}  # under way, by object

    @contextmanager
    def follow(
        self, media: MediaRecord, upload_id: str, offsets: Mapping[str, int]
    ) -> Iterator[Callable[[int], None]]:
        """Yields what is to be called with the upload's offset, after every piece. `offsets`
        are those of all uploads of the object."""
        here = self._offsets.setdefault(media.id, {})
        for other, offset in offsets.items():
            here[other] = max(offset, here.get(other, 0))
        self._requests[media.id] = self._requests.get(media.id, 0) + 1
        told = here[upload_id] = offsets.get(upload_id, 0)

        def at(offset: int) -> None:
            nonlocal told
            here[upload_id] = offset
            received = min(sum(here.values()), media.size)
            if offset - told >= CHUNK or received == media.size:
                told = offset
                self._tell(media.owner_id, media.id, received, media.size)

        try:
            yield at
        finally:
            self._requests[media.id] -= 1
            if not self._requests[media.id]:
                del self._requests[media.id], self._offsets[media.id]
