"""The frames of RFC 6455 as a server reads them, without I/O and as fast as Python can.

Almost all that clients send is whole binary messages in single small frames. `Decoder.feed` walks
over those in a loop of a few operations each and keeps nothing; whatever else may come (control
frames, text, fragments, long frames, a frame cut by the end of the data, breaches) goes through
`_Partial`, which exists only as long as something is incomplete.
"""

from __future__ import annotations

import struct
from codecs import utf_8_decode

from realtime.gateway.websocket.encode import BINARY, CLOSE, MAX_CONTROL, PING, TEXT
from realtime.gateway.websocket.mask import apply_mask
from realtime.gateway.websocket.messages import (
    INVALID_DATA,
    NO_STATUS,
    POLICY,
    PROTOCOL_ERROR,
    TOO_LARGE,
    CloseFrame,
    Message,
    Ping,
    Pong,
    Text,
    Violation,
    sendable,
)

FREE_FRAGMENTS = 128  # of a message; beyond them they must be this large on average:
FRAGMENT_SIZE = 16

# A final binary frame, masked: with its size in the second byte, or in the two bytes after.
_SMALL = 0x8280
_MEDIUM = 0x82FE

_unpack_medium = struct.Struct(">HH4s").unpack_from  # both bytes, size of 16 bits, mask


class Decoder:
    """One client's frames, in order, cut in any way.

    A message is `bytes` (binary, the common case: test `type(m) is bytes` first) or one of the
    classes of `messages`. The decoder

    * never raises: a breach is a `Violation`, and it is always the last message of its feed, after
      all that was complete before it;
    * reads nothing after a `Violation` or a `CloseFrame`: later feeds return nothing;
    * refuses a message of more than `max_message` bytes when the header that goes beyond is
      read, so that it never keeps more than `max_message` bytes and one header;
    * keeps nothing while no frame or message is incomplete;
    * takes time linear in the bytes fed, however they are cut, and bounds the fragments of a
      message by 128 and one for each 16 bytes (code 1008 beyond).
    """

    __slots__ = ("_max", "_partial")

    def __init__(self, max_message: int) -> None:
        self._max = max_message
        self._partial: _Partial | None = None

    @property
    def buffered(self) -> int:
        """Bytes kept for a frame or message that is incomplete."""
        return self._partial.size if self._partial is not None else 0

    def feed(self, data: bytes) -> list[Message]:
        """What has become complete with this piece of the stream."""
        messages: list[Message] = []
        size = len(data)
        position = 0
        if self._partial is not None:
            position = self._read_on(data, 0, messages)
        largest = self._max
        last = size - 8  # where a medium head, or a small one and two bytes, still fits
        while position < size:
            while position <= last:
                head, length, mask = _unpack_medium(data, position)
                if head == _MEDIUM:
                    if length < 126:
                        break
                    start = position + 8
                elif _SMALL <= head < _MEDIUM:
                    length = head - _SMALL
                    start = position + 6
                    mask = data[position + 2 : start]
                else:
                    break
                end = start + length
                if end > size or length > largest:
                    break
                messages.append(apply_mask(data[start:end], mask))
                position = end
            if position < size:
                position = self._read_on(data, position, messages)
        return messages

    def _read_on(self, data: bytes, position: int, messages: list[Message]) -> int:
        """Reads until nothing is incomplete or the data ends, and returns how far it came."""
        partial = self._partial
        if partial is None:
            partial = _Partial(self._max)
        elif partial is _ENDED:
            return len(data)
        try:
            position = partial.read(data, position, messages)
        except _Broken as broken:
            messages.append(Violation(broken.code, broken.reason))
            self._partial = _ENDED
            return len(data)
        if partial.opcode == CLOSE and not partial.mask:
            self._partial = _ENDED
            return len(data)
        self._partial = partial if partial.kind or partial.mask or partial.head else None
        return position


class _Broken(Exception):
    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason


class _Partial:
    """A frame, or a message in fragments, that has begun and not ended."""

    __slots__ = (
        "checked",  # bytes of a text message that are known to be UTF-8
        "control",  # payload of the control frame being read
        "final",  # whether the frame being read ends its message
        "fragments",  # of the message, so far
        "head",  # bytes of a header that is incomplete
        "kind",  # TEXT or BINARY from the first frame of a message to its end, else 0
        "largest",
        "left",  # bytes of payload that have not come yet
        "mask",  # of the frame being read, turned to the next byte; empty between frames
        "message",  # payload of the message, so far
        "opcode",  # of the frame being read, or read last
    )

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self.head = self.mask = self.control = b""
        self.message = bytearray()  # grows in place: linear for any number of pieces
        self.kind = self.opcode = self.left = self.fragments = self.checked = 0
        self.final = True

    @property
    def size(self) -> int:
        return len(self.head) + len(self.message) + len(self.control)

    def read(self, data: bytes, position: int, messages: list[Message]) -> int:
        """Reads to the end of the data, of the message if no other has begun, or of a close
        frame; returns the position after it. Raises `_Broken`."""
        while True:
            if not self.mask:
                if position == len(data):
                    return position
                position = self._read_head(data, position)
                if not self.mask:
                    return position
            chunk = data[position : position + self.left]
            if chunk:
                position += len(chunk)
                self._take(chunk)
            if self.left:
                return position
            self.mask = b""
            if self.opcode >= CLOSE:
                messages.append(self._control_message())
                self.control = b""
                if self.opcode == CLOSE:
                    return position
            elif self.final:
                messages.append(self._data_message())
                self.kind = 0
            if not self.kind:
                return position

    def _read_head(self, data: bytes, position: int) -> int:
        """Reads a header, or what there is of it, and refuses it at the first byte that makes it
        wrong. Sets `mask` when it is complete."""
        before = len(self.head)
        head = self.head + data[position : position + 14]
        have = len(head)
        first = head[0]
        opcode = first & 0x0F
        final = first >= 0x80
        control = opcode >= CLOSE
        self._check_first(first, opcode, final, control)
        needed = 6
        length = -1  # not known yet
        if have > 1:
            if head[1] < 0x80:
                raise _Broken(PROTOCOL_ERROR, "a frame without a mask")
            length = head[1] & 0x7F
            if length > MAX_CONTROL:
                if control:
                    raise _Broken(PROTOCOL_ERROR, "a control frame of more than 125 bytes")
                needed, length = _long_length(head, length)
        if not control and len(self.message) + length > self.largest:
            raise _Broken(TOO_LARGE, f"a message of more than {self.largest} bytes")
        if have < needed:
            self.head = head
            return len(data)
        self.head = b""
        self.mask = head[needed - 4 : needed]
        self.left = length
        self.opcode = opcode
        self.final = final
        if not control:
            self.kind = opcode or self.kind
            self.fragments += 1
            if self.fragments > FREE_FRAGMENTS + (len(self.message) + length) // FRAGMENT_SIZE:
                raise _Broken(POLICY, "a message in too many fragments")
        return position + needed - before

    def _check_first(self, first: int, opcode: int, final: bool, control: bool) -> None:
        if first & 0x70:
            raise _Broken(PROTOCOL_ERROR, "reserved bits without an extension")
        if opcode & 0x07 > 2:
            raise _Broken(PROTOCOL_ERROR, f"reserved opcode {opcode}")
        if control:
            if not final:
                raise _Broken(PROTOCOL_ERROR, "a control frame in fragments")
        elif opcode and self.kind:
            raise _Broken(PROTOCOL_ERROR, "a message inside a message")
        elif not opcode and not self.kind:
            raise _Broken(PROTOCOL_ERROR, "a continuation of no message")

    def _take(self, chunk: bytes) -> None:
        """Some or all of the payload of the frame."""
        size = len(chunk)
        mask = self.mask
        plain = apply_mask(chunk, mask)
        self.left -= size
        turn = size & 3
        if turn:
            self.mask = mask[turn:] + mask[:turn]
        if self.opcode >= CLOSE:
            self.control += plain
            return
        self.message += plain
        if self.kind == TEXT:
            self._check_text()

    def _check_text(self) -> None:
        """Refuses bytes that no further ones can turn into UTF-8. A character of which a part has
        come, at most three bytes, is looked at again with the next piece."""
        unchecked = self.message[self.checked :]
        try:
            good = utf_8_decode(unchecked, "strict", False)[1]
        except UnicodeDecodeError:
            raise _Broken(INVALID_DATA, "text that is not UTF-8") from None
        if unchecked[good : good + 1] == b"\xed" and unchecked[good + 1 : good + 2] > b"\x9f":
            # Half a character's surrogate, for whose third byte Python's decoder would wait.
            raise _Broken(INVALID_DATA, "text that is not UTF-8")
        self.checked += good

    def _data_message(self) -> bytes | Text:
        if self.kind == BINARY:
            return bytes(self.message)
        if self.checked < len(self.message):
            raise _Broken(INVALID_DATA, "text that ends inside a character")
        return Text(self.message.decode())

    def _control_message(self) -> Ping | Pong | CloseFrame:
        payload = self.control
        if self.opcode == PING:
            return Ping(payload)
        if self.opcode != CLOSE:
            return Pong(payload)
        if not payload:
            return CloseFrame(NO_STATUS, "")
        code = int.from_bytes(payload[:2], "big")  # of a single byte: less than any valid one
        if not sendable(code):
            raise _Broken(PROTOCOL_ERROR, "a close code that may not be sent")
        try:
            return CloseFrame(code, payload[2:].decode())
        except UnicodeDecodeError:
            raise _Broken(INVALID_DATA, "a close reason that is not UTF-8") from None


def _long_length(head: bytes, marker: int) -> tuple[int, int]:
    """The size of a header and the length it gives, -1 as long as it is not complete."""
    width = 2 if marker == 126 else 8
    if width == 8 and len(head) > 2 and head[2] >= 0x80:
        raise _Broken(PROTOCOL_ERROR, "a length of more than 63 bits")
    if len(head) < 2 + width:
        return 6 + width, -1
    length = int.from_bytes(head[2 : 2 + width], "big")
    if length < (126 if width == 2 else 65536):
        raise _Broken(PROTOCOL_ERROR, "a length that is not in its shortest form")
    return 6 + width, length


_ENDED = _Partial(0)  # stands in every decoder that reads no more; never changed
