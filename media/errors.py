"""What the media host answers when it does not serve. Whose fault, and whether to retry:

MediaError            an answer with a status, a code and a message as JSON
    BadRequest        400  the request contradicts itself or its ticket
    NotAllowed        403  a signature that is missing, wrong or expired
    Missing           404  no such media, or none that this viewer may know of
    Stalled           408  the body did not come in time: send it again
    Completed         400  the upload is complete, and takes nothing more
    Taken             409  other bytes were stored under this ticket
    OffsetConflict    409  the upload is at another offset: ask where, and go on from there
    Gone              410  the upload's time is over
    WrongVersion      412  of the tus protocol
    TooLarge          413
    WrongType         415  not one of the image types, whatever its name says
    RangeRefused      416
    MediaRefused      422  an image, but broken, lying or too big to decode: final
        WorkerDied    422  its decoder died or ran out of time
        MotionRefused 422  the same of a video or of sound
    Mismatch          460  the bytes do not have the announced checksum: send them again
    TooMany           429  requests: again after `retry_after` seconds
    Busy              503  too much at once: again after `retry_after` seconds
    Failed            500  ours

This module is imported by the worker processes: it imports nothing.
"""

from __future__ import annotations


class MediaError(Exception):
    status = 500
    code = "INTERNAL"
    retry_after = 0  # seconds; 0: no hint

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.headers: dict[str, str] = {}
        self.problem: dict[str, object] = {}
        """Members of a problem (RFC 9457) that says the same; empty for none."""


class BadRequest(MediaError):
    status, code = 400, "INVALID_ARGUMENT"


class NotAllowed(MediaError):
    status, code = 403, "PERMISSION_DENIED"


class Missing(MediaError):
    status, code = 404, "NOT_FOUND"


class Stalled(MediaError):
    status, code = 408, "DEADLINE_EXCEEDED"


class Taken(MediaError):
    status, code = 409, "CONFLICT"


class OffsetConflict(MediaError):
    status, code = 409, "CONFLICT"

    def __init__(self, offset: int) -> None:
        super().__init__(f"the upload is at offset {offset}")
        self.offset = offset
        self.headers["Upload-Offset"] = str(offset)


class Completed(MediaError):
    status, code = 400, "CONFLICT"


class Gone(MediaError):
    status, code = 410, "EXPIRED"


class WrongVersion(MediaError):
    status, code = 412, "WRONG_VERSION"


class TooLarge(MediaError):
    status, code = 413, "TOO_LARGE"


class WrongType(MediaError):
    status, code = 415, "WRONG_TYPE"


class RangeRefused(MediaError):
    status, code = 416, "RANGE_REFUSED"


class MediaRefused(MediaError):
    status, code = 422, "IMAGE_REFUSED"


class WorkerDied(MediaRefused):
    """The process that decoded it was killed: by the system, its limits, or our patience."""


class MotionRefused(MediaRefused):
    code = "MOTION_REFUSED"


class TooMany(MediaError):
    status, code = 429, "RATE_LIMITED"

    def __init__(self, retry_after: int) -> None:
        super().__init__("too many requests")
        self.retry_after = retry_after


class Mismatch(MediaError):
    status, code = 460, "CHECKSUM_MISMATCH"


class Busy(MediaError):
    status, code = 503, "OVERLOADED"
    retry_after = 2


class Failed(MediaError):
    pass
