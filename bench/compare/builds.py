"""What the comparison needs and the server does not: made in `build/compare`, thrown away at
will. Everything that is fetched is locked with hashes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
BUILD = ROOT / "build" / "compare"

LOAD = BUILD / "load"
CENTRIFUGE = BUILD / "centrifuge-server"
VENV = BUILD / "venv"
NODE = BUILD / "node"


class Missing(Exception):
    """A tool is not on this machine."""


def build(name: str) -> None:
    """Makes `load`, `centrifuge`, `venv` or `node`, if it is not there or not the locked one.
    Raises `Missing`, or `CalledProcessError` with what the tool said on stderr."""
    BUILD.mkdir(parents=True, exist_ok=True)
    {"load": _load, "centrifuge": _centrifuge, "venv": _venv, "node": _node}[name]()


def _load() -> None:
    _go(HERE / "load", LOAD)


def _centrifuge() -> None:
    _go(HERE / "peers" / "centrifuge", CENTRIFUGE)


def _go(folder: Path, target: Path) -> None:
    """Go itself knows what has to be made again, and checks `go.sum`."""
    _run([tool("go"), "build", "-trimpath", "-buildvcs=false", "-o", str(target), "."], folder)


def _venv() -> None:
    venv(VENV, HERE / "peers" / "requirements.txt")


def venv(folder: Path, locked: Path) -> None:
    """A virtual environment with what is locked. Raises as `build`."""
    if _is_current(folder, locked):
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    _run([sys.executable, "-m", "venv", "--clear", str(folder)], ROOT)
    _run([str(folder / "bin/pip"), "install", "-q", "--require-hashes", "-r", str(locked)], ROOT)
    _mark(folder, locked)


def _node() -> None:
    locked = HERE / "peers" / "node" / "package-lock.json"
    tool("node")
    if _is_current(NODE, locked):
        return
    NODE.mkdir(exist_ok=True)
    for file in (locked, locked.with_name("package.json")):
        shutil.copy(file, NODE)
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--silent")
    _run([tool("npm"), "ci", *quiet], NODE)
    _mark(NODE, locked)


def tool(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/local/go/bin")
    if found is None:
        raise Missing(f"no {name} here")
    return found


def _run(command: list[str], folder: Path) -> None:
    environment = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", **os.environ}
    subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr, env=environment)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _is_current(folder: Path, locked: Path) -> bool:
    stamp = folder / ".locked"
    return stamp.exists() and stamp.read_text() == _digest(locked)


def _mark(folder: Path, locked: Path) -> None:
    (folder / ".locked").write_text(_digest(locked))
