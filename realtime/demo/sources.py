"""What people upload in the demo, and what it must be when it comes back."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path

PHOTOGRAPH, FILM, GIF, VOICE = "photograph", "film", "gif", "voice"


class Source:
    """A file, or bytes, of one of the kinds; `seconds` is how long it plays."""

    def __init__(self, kind: str, content: Path | bytes, seconds: float = 0.0) -> None:
        self.kind = kind
        self.content = content
        self.seconds = seconds

    @cached_property
    def size(self) -> int:
        return self.content.stat().st_size if isinstance(self.content, Path) else len(self.content)

    @cached_property
    def digest(self) -> str:
        """SHA-256."""
        content = self.content
        data = content.read_bytes() if isinstance(content, Path) else content
        return hashlib.sha256(data).hexdigest()
