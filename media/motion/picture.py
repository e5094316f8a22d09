"""Frames as they are meant to be seen: upright, in square pixels, of an even size, their colours
written in one way: as BT.709 in the range of video, which every player takes for granted.
"""

from __future__ import annotations

from fractions import Fraction

import av.filter
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream
from PIL import Image

from media.motion.tones import Tones, tones_of

Size = tuple[int, int]
"""Width and height in pixels."""

_TURNS = {
    90: (("transpose", "clock"),),
    180: (("hflip", ""), ("vflip", "")),
    270: (("transpose", "cclock"),),
}
"""Filters that turn clockwise."""

_MATRICES = {
    1: "bt709",
    4: "fcc",
    5: "bt470",
    6: "smpte170m",
    7: "smpte240m",
    9: "bt2020",
    10: "bt2020",
}
"""How brightness and colour were taken apart: numbers of ITU-T H.273, names of FFmpeg's filter."""
RGB = "rgb24"
HIGH = 720  # lines from which a video that says nothing is of high definition: then it is BT.709


def rotation_of(frame: VideoFrame) -> int:
    """Degrees clockwise that the camera asks for, to the quarter."""
    return round(-frame.rotation / 90) % 4 * 90


def shown_size(stream: VideoStream, rotation: int) -> Size:
    """How large the video is when it is shown."""
    context = stream.codec_context
    shape = stream.sample_aspect_ratio or Fraction(1)
    if not Fraction(1, 4) <= shape <= 4:  # nonsense in the header
        shape = Fraction(1)
    width, height = max(2, round(context.width * shape)), context.height
    return (height, width) if rotation % 180 else (width, height)


def fitted(size: Size, shorter: int) -> Size:
    """The size with its shorter side brought down to `shorter`, never up, and both even."""
    scale = min(1.0, shorter / min(size))
    width, height = (max(2, round(side * scale / 2) * 2) for side in size)
    return width, height


class Upright:
    """Turns and scales frames to one size and format, whatever the stream changes to on its
    way."""

    def __init__(self, size: Size, rotation: int, pixels: str = "yuv420p") -> None:
        self._size = size
        self._rotation = rotation
        self._pixels = pixels
        self._of: tuple[int, int, str, int, int, int] | None = None
        self._graph = av.filter.Graph()
        self._tones: Tones | None = None
        self._after: Upright | None = None  # what makes such pixels of an image

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        kind = (
            *(frame.width, frame.height, frame.format.name),
            *(int(frame.colorspace), int(frame.color_range), int(frame.color_trc)),
        )
        if kind != self._of:
            self._of, self._tones = kind, tones_of(int(frame.color_trc))
            if self._tones is not None and self._pixels != RGB:
                self._after = Upright(self._size, 0, self._pixels)
            self._graph = self._built(frame, self._pixels if self._tones is None else RGB)
        pts, time_base = frame.pts, frame.time_base
        self._graph.vpush(frame)
        made = self._graph.vpull()
        if self._tones is not None:
            made = frame_of(self._tones(image_of(made)))
            if self._after is not None:
                made.time_base = time_base
                made = self._after(made)
        made.pts, made.time_base = pts, time_base
        return made

    def _built(self, frame: VideoFrame, pixels: str) -> av.filter.Graph:
        graph = av.filter.Graph()
        graph.threads = 1
        width, height = self._size
        before = (height, width) if self._rotation % 180 else (width, height)
        nodes = [
            graph.add_buffer(
                width=frame.width,
                height=frame.height,
                format=VideoFormat(frame.format.name),
                time_base=frame.time_base or Fraction(1, 1000),
            ),
            graph.add("scale", f"{before[0]}:{before[1]}{_colors(frame, pixels)}"),
            *(graph.add(name, args) for name, args in _TURNS.get(self._rotation, ())),
            graph.add("setsar", "1"),
            graph.add("format", pixels),
            graph.add("buffersink"),
        ]
        graph.link_nodes(*nodes).configure()
        return graph


def _colors(frame: VideoFrame, pixels: str) -> str:
    """How a frame's colours are to be read and written, as options of the filter."""
    said = ""
    if not frame.format.is_rgb:
        full = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
        usual = "bt709" if min(frame.width, frame.height) >= HIGH else "smpte170m"
        said = f":in_range={'full' if full else 'limited'}"
        said += f":in_color_matrix={_MATRICES.get(int(frame.colorspace), usual)}"
    if pixels.startswith("yuv"):
        said += ":out_range=limited:out_color_matrix=bt709"
    return said


def image_of(frame: VideoFrame) -> Image.Image:
    made: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
    return made


def frame_of(image: Image.Image) -> VideoFrame:
    made: VideoFrame = VideoFrame.from_image(image)  # type: ignore[no-untyped-call]
    return made
