"""What a worker process does to itself before it meets an image.

It may then use so much memory and so much time on the processor, open few files, write none
unless its lane lets it, and decode the types on the list alone. Past a limit it gets an error or
is killed. It steps back on the processor for those who serve.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from typing import NamedTuple, ParamSpec, TypeVar

from media.images.rendering import disable_other_decoders

P = ParamSpec("P")
T = TypeVar("T")


class WorkerLimits(NamedTuple):
    """Of one worker process."""

    memory: int = 1536 * 1024 * 1024  # bytes of address space
    cpu_seconds: float = 20  # a job; up to one more, for the system counts whole ones
    lifetime_cpu_seconds: int = 600  # a process, for all its jobs
    open_files: int = 64
    file_bytes: int = 0  # of a file that it writes
    nice: int = 15
    jobs: int = 500  # before it is replaced, so that fragmented memory goes back


_limits = WorkerLimits()
_jobs = 0


def confine(limits: WorkerLimits) -> None:
    """Called once, at the start of a worker process."""
    global _limits
    _limits = limits
    disable_other_decoders()
    os.nice(limits.nice)
    _lower(resource.RLIMIT_AS, limits.memory)
    _lower(resource.RLIMIT_NOFILE, limits.open_files)
    _lower(resource.RLIMIT_FSIZE, limits.file_bytes)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_CPU, limits.lifetime_cpu_seconds + int(limits.cpu_seconds) + 1)


def _lower(what: int, limit: int) -> None:
    _, hard = resource.getrlimit(what)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(what, (limit, limit))


class Raised(NamedTuple):
    """An error of a job, told from those of the pipe to the server."""

    error: OSError


def job(fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | Raised:
    """Runs one job within its time on the processor; the system kills the process past it."""
    global _jobs
    _jobs += 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    wanted = int(_used() + _limits.cpu_seconds) + 1
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))
    try:
        return fn(*args, **kwargs)
    except OSError as error:
        return Raised(error)


def is_spent() -> bool:
    """Whether this process should be replaced before the next job."""
    return _jobs >= _limits.jobs or _used() > _limits.lifetime_cpu_seconds


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
