"""HEIF, the extra `heif`: what telephones photograph as, taken in and never given out.

Only worker processes import the library. Of its decoders there is one, for HEVC.
"""

from __future__ import annotations

from importlib.util import find_spec

AVAILABLE = find_spec("pillow_heif") is not None


def register() -> None:
    """Makes the decoder known to Pillow, in this process. Raises `ImportError` without the
    extra."""
    from pillow_heif import register_heif_opener

    # Embedded pictures are not looked at: they may show something else than the photograph does.
    register_heif_opener(
        thumbnails=False,
        depth_images=False,
        aux_images=False,
        decode_threads=1,
        preferred_decoder={"HEIF": "libde265", "AVIF": ""},
    )
