"""What is made of motion when it is asked for: moving images as video, video as a small moving
image, voice for every client (pure)."""

from __future__ import annotations

from media.motion.kinds import MIMES as ORIGINAL_MIMES

FORMS = {
    "motion.mp4": "video/mp4",
    "motion.webm": "video/webm",
    "preview.gif": "image/gif",
    "voice.ogg": "audio/ogg",
    "voice.m4a": "audio/mp4",
}
"""Names in URLs, and MIME types."""

STREAM = "hls"
VOICE = "voice.m4a"  # what every client plays
LINKED = frozenset({*FORMS, STREAM})
"""What links may be asked for beside presets of pictures."""

STREAM_MIMES = {
    "m3u8": "application/vnd.apple.mpegurl",
    "mp4": "video/mp4",
    "m4s": "video/iso.segment",
}
"""Of the files of an adaptive stream, by extension."""

SHOWN = frozenset({*FORMS.values(), *STREAM_MIMES.values(), *ORIGINAL_MIMES})
"""What a browser may play in place."""
VERSION = 3
"""Part of every stored form's key: raise it when a setting changes."""
