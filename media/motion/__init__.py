"""Video, voice and moving images: probed, shown as a still, and converted, in worker processes.

What imports PyAV (the extra `video`) is imported by those processes alone, when a job needs it:
see `media.motion.jobs`.
"""

from __future__ import annotations

from importlib.util import find_spec

AVAILABLE = find_spec("av") is not None
"""Whether the extra is installed. Without it video and voice are stored and served as they are."""
