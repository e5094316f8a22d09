"""What a file of motion is: read packet by packet to its end before anybody is told of it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from media.errors import MotionRefused
from media.motion.facts import MotionLimits, Probe
from media.motion.kinds import Container, mime_of
from media.motion.opening import Opened, frames_of, opened, refusing
from media.motion.picture import Size, Upright, fitted, image_of, rotation_of, shown_size
from media.motion.voice import waveform_of

POSTER_SIDE = 1080  # pixels of its shorter side
POSTER_QUALITY = 88  # other pictures are made from it


@refusing
def probe(path: Path, container: Container, limits: MotionLimits) -> Probe:
    """Describes a video or a piece of sound. Raises `MotionRefused` for one that is broken, cut
    short, or past the limits."""
    with path.open("rb") as file:
        begin = file.read(64)
    with opened(path, container, limits) as found:
        seconds = _scan(found, limits)
        video, audio = found.video, found.audio
        if video is None and audio is None:
            raise MotionRefused("the file has neither picture nor sound")
        size, rotation, poster, rate = (0, 0), 0, b"", 0.0
        if video is not None:
            found.file.seek(0)
            first = _first_frame(found, video, limits)
            rotation = rotation_of(first)
            size = shown_size(video, rotation)
            poster = _poster(first, size, rotation)
            rate = float(video.average_rate or 0)
    waveform = b""
    if video is None:
        with opened(path, container, limits) as found:
            waveform = waveform_of(found, limits)
    return Probe(
        mime=mime_of(container, begin, video=video is not None),
        seconds=seconds,
        width=size[0],
        height=size[1],
        rotation=rotation,
        frame_rate=min(max(rate, 0.0), 1000.0),
        video_codec=_codec(video),
        audio_codec=_codec(audio),
        poster=poster,
        waveform=waveform,
    )


def _codec(stream: VideoStream | AudioStream | None) -> str:
    return "" if stream is None else stream.codec.canonical_name


def _scan(found: Opened, limits: MotionLimits) -> float:
    """Reads every packet and answers how long the file plays, by their own times: what its header
    says of that is not believed."""
    longest = limits.max_seconds if found.video is not None else limits.max_voice_seconds
    begin = end = None
    packets = 0
    of_stream: dict[int, int] = {}
    used = [one for one in (found.video, found.audio) if one is not None]
    for packet in found.file.demux():
        packets += 1
        if packets > limits.max_packets:
            raise MotionRefused("the file has too many packets")
        if packet.is_corrupt:
            raise MotionRefused("the file is cut short")
        stream = packet.stream
        if stream not in used or packet.pts is None or packet.time_base is None:
            continue
        of_stream[stream.index] = of_stream.get(stream.index, 0) + 1
        at = float(packet.pts * packet.time_base)
        after = at + float((packet.duration or 0) * packet.time_base)
        begin = at if begin is None else min(begin, at)
        end = after if end is None else max(end, after)
        if end - begin > longest:
            raise MotionRefused(f"it plays longer than {longest:g} seconds")
    for stream in used:
        count = of_stream.get(stream.index, 0)
        if not count or count < stream.frames:  # what the header of an MP4 has counted
            raise MotionRefused("the file is cut short")
    if found.video is not None and of_stream[found.video.index] > limits.max_frames:
        raise MotionRefused("the video has too many frames")
    if begin is None or end is None or end <= begin:
        raise MotionRefused("the file plays for no time")
    return end - begin


def _first_frame(found: Opened, video: VideoStream, limits: MotionLimits) -> VideoFrame:
    for frame in frames_of(found, video, limits):
        if isinstance(frame, VideoFrame):
            return frame
    raise MotionRefused("the video has no frame")


def _poster(frame: VideoFrame, size: Size, rotation: int) -> bytes:
    upright = Upright(fitted(size, POSTER_SIDE), rotation, "rgb24")(frame)
    out = BytesIO()
    image_of(upright).save(out, "JPEG", quality=POSTER_QUALITY)
    return out.getvalue()
