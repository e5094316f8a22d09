"""What a node serves and what it is made of, whichever processes it consists of."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from media.images.formats import MIMES
from media.images.presets import LARGEST, PRESET_NAMES
from media.motion.forms import LINKED, VOICE
from media.urls import Signer
from realtime.clock import SystemClock
from realtime.code_sender import LoggingCodeSender
from realtime.core import CoreLimits, Front
from realtime.events.retention import Keep
from realtime.gateway.limits import GatewayLimits
from realtime.settings import Settings
from rpc.context import Clock, CodeSender
from rpc.dispatch import CallLimits
from rpc.passwords import Argon2Hasher, PasswordHasher
from rpc.rates import Rate
from rpc.registry import Registry
from rpc.services.auth import Auth
from rpc.services.blocks import Blocks
from rpc.services.chat import Chat
from rpc.services.comments import Comments
from rpc.services.follows import Follows
from rpc.services.likes import Likes
from rpc.services.media import Media, TicketSettings
from rpc.services.notifications import Notifications
from rpc.services.pages import Pages
from rpc.services.posts import Posts
from rpc.services.users import Users
from rpc.tokens import authenticate_token, living_session
from store.interface import Queries, Reads
from store.projections.base import Projection, VisibleProjection
from store.projections.counters import CountersProjection
from store.projections.home import HomeProjection
from store.projections.notifications import NotificationsProjection
from store.projections.timelines import DAY_MS, TimelineLimits
from store.queries.secrets import load_or_create_secret, secret_named

VERSION = "sunwire/0.1.0"
SECRET_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class Fittings:
    """What sessions meet, where it may differ: tests put their own in."""

    clock: Clock = field(default_factory=SystemClock)
    sender: CodeSender = field(default_factory=LoggingCodeSender)
    hasher: PasswordHasher = field(default_factory=Argon2Hasher)
    limits: CoreLimits = field(default_factory=CoreLimits)
    tickets: TicketSettings = field(
        default_factory=partial(
            TicketSettings, presets=PRESET_NAMES | LINKED, largest=LARGEST, voice=VOICE
        )
    )
    media_base: str = "http://127.0.0.1:7401"
    timelines: TimelineLimits = field(default_factory=TimelineLimits)
    """How home timelines are kept."""
    services: Sequence[object] = ()
    """Served beside Sunwire's own, or instead of the one with the same descriptor."""
    fast: bool = sys.platform == "linux"
    """Whether sockets are served by the fast transport; other streams never are."""


class Keys(NamedTuple):
    """The server's own secrets."""

    accounts: bytes
    media: bytes


async def load_or_make_keys(store: Queries) -> Keys:
    """Makes those that are not there yet."""
    return Keys(
        await store.write(load_or_create_secret, "accounts", SECRET_BYTES),
        await store.write(load_or_create_secret, "media", SECRET_BYTES),
    )


async def load_keys(reads: Reads) -> Keys:
    """Those that another process has made."""
    return Keys(await reads.read(secret_named, "accounts"), await reads.read(secret_named, "media"))


def projections(timelines: TimelineLimits | None = None) -> list[Projection | VisibleProjection]:
    return [HomeProjection(timelines), CountersProjection(), NotificationsProjection()]


def timeline_limits(settings: Settings) -> TimelineLimits:
    return TimelineLimits(
        posts=settings.home_posts,
        pushed_below=settings.home_followers,
        idle_ms=settings.home_days * DAY_MS,
    )


def fit_out(
    front: Front, fittings: Fittings, keys: Keys, urls: Signer, version: str = VERSION
) -> None:
    """Completes a front with the services, verified: see `rpc.registry.RegistryError`."""
    views = front.views
    own: list[object] = [
        Auth(fittings.sender, fittings.hasher, keys.accounts, views),
        Users(views),
        Chat(views, front.signals, front.signals),
        Posts(views),
        Likes(views),
        Comments(views),
        Follows(views),
        Blocks(views, front.signals),
        Pages(views),
        Notifications(views),
        Media(views, urls, fittings.tickets),
    ]
    replaced = {getattr(service, "DESCRIPTOR", None) for service in fittings.services}
    services = [s for s in own if s.DESCRIPTOR not in replaced]  # type: ignore[attr-defined]
    front.serve(
        Registry([*services, *fittings.services]),
        partial(authenticate_token, front.store, fittings.clock, front.last_uses),
        partial(living_session, front.store, fittings.clock),
        version,
        fast=fittings.fast,
    )


def keep_of(settings: Settings) -> Keep:
    archive = Path(settings.log_archive) if settings.log_archive else None
    return Keep(days=settings.log_keep, archive=archive)


def limits_of(settings: Settings) -> CoreLimits:
    return CoreLimits(
        gateway=GatewayLimits(
            heartbeat=settings.heartbeat,
            max_connections=settings.max_connections,
            handshake_timeout=settings.handshake,
            hello_timeout=settings.handshake,
            send_timeout=settings.stall,
        ),
        calls=CallLimits(
            user_rate=Rate(settings.calls_per_second, settings.calls_burst),
            sensitive_rate=Rate(settings.sensitive_per_minute / 60, 60),
        ),
    )


def fittings_of(
    settings: Settings,
    services: Sequence[object],
    sender: CodeSender | None,
    media: tuple[str, int],
) -> Fittings:
    """`media` is where the media host listens."""
    return Fittings(
        sender=sender or LoggingCodeSender(),
        limits=limits_of(settings),
        media_base=settings.media_url.rstrip("/") or f"http://{media[0]}:{media[1]}",
        tickets=TicketSettings(
            presets=PRESET_NAMES | LINKED,
            largest=LARGEST,
            formats=frozenset(MIMES),
            voice=VOICE,
            max_bytes=settings.max_upload,
            quota=settings.quota,
        ),
        timelines=timeline_limits(settings),
        services=services,
        fast=Fittings.fast if settings.transport == "auto" else settings.transport == "fast",
    )
