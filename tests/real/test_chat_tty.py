"""Two people at pseudo-terminals, a real server between them that is killed on the way."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pyte
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
COLUMNS, ROWS = 100, 30
PATIENCE = 30.0  # seconds

pytestmark = pytest.mark.real


class Server:
    """`serve` as a process. The system chooses its ports, which it keeps when it comes back."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._log = data / "server.log"
        self.port = self._media = self._ops = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        before = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "realtime", "serve", "--data", str(self._data)),
                    *("--listen", f"127.0.0.1:{self.port}"),
                    *("--media", f"127.0.0.1:{self._media}"),
                    *("--ops", f"127.0.0.1:{self._ops}"),
                ],
                stderr=log,
                cwd=ROOT,
            )
        process = self._process

        def serving(text: str) -> bool:
            for line in text.splitlines(keepends=True):
                if '"serving"' in line and line.endswith("\n"):
                    where = json.loads(line)
                    self.port, self._media, self._ops = (
                        where[name][1] for name in ("websocket", "media", "ops")
                    )
                    return True
            assert process.poll() is None, text
            return False

        self._wait_for(serving, before)

    def kill(self) -> None:
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def code(self, address: str) -> str:
        """The code that was sent to the address."""
        found = ""

        def sent(text: str) -> bool:
            nonlocal found
            for line in text.splitlines():
                if '"sign-in code"' in line and f'"{address}"' in line and line.endswith("}"):
                    found = json.loads(line)["code"]
            return bool(found)

        self._wait_for(sent, 0)
        return found

    def _wait_for(self, condition, since: int) -> None:  # type: ignore[no-untyped-def]
        deadline = time.monotonic() + PATIENCE
        while not condition(self._log.read_bytes()[since:].decode()):
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.02)


class Person:
    """A chat client in a pseudo-terminal, and the screen that it draws."""

    def __init__(self, name: str, server: Server, data: Path) -> None:
        address = f"{name}@example.org"
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.Stream(self.screen)
        self.child = pexpect.spawn(
            sys.executable,
            [
                *("-m", "realtime", "chat", "--url", f"ws://127.0.0.1:{server.port}"),
                *("--address", address, "--data", str(data)),
            ],
            dimensions=(ROWS, COLUMNS),
            encoding="utf-8",
            timeout=PATIENCE,
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "", "LINES": ""},
        )
        if not (data / "token").exists():
            self.child.expect("The code of 6 digits")
            self.child.sendline(server.code(address))
        self.see(f"@{name}  ● online")

    def enter(self, line: str) -> None:
        self.child.send(line + "\r")

    def see(self, pattern: str, within: float = PATIENCE) -> None:
        """Waits until the screen shows it (a regular expression over its lines)."""
        self._until(lambda text: re.search(pattern, text) is not None, pattern, within)

    def see_no_more(self, pattern: str) -> None:
        self._until(lambda text: re.search(pattern, text) is None, f"no {pattern}", PATIENCE)

    def _until(self, shown, what: str, within: float) -> None:  # type: ignore[no-untyped-def]
        deadline = time.monotonic() + within
        while not shown(self.text):
            assert time.monotonic() < deadline, f"never saw {what!r} in:\n{self.text}"
            try:
                self._stream.feed(self.child.read_nonblocking(65536, timeout=0.1))
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                raise AssertionError(f"the client has ended:\n{self.text}") from None

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    def messages(self) -> list[str]:
        """The texts on the screen, in order."""
        return re.findall(r"#\d+ \d\d:\d\d @\w+: (\w+)", self.text)

    def leave(self) -> None:
        """Ctrl-D; the terminal is given back and the exit code is 0."""
        self.child.send("\x04")
        self.child.expect(pexpect.EOF)
        assert self.child.before is not None
        assert "\x1b[?1049l" in self.child.before
        self.child.close()
        assert self.child.exitstatus == 0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    one = Server(tmp_path)
    try:
        one.start()
        yield one
    finally:
        one.kill()


@pytest.fixture
def people(server: Server, tmp_path: Path) -> Iterator[tuple[Person, Person]]:
    both: list[Person] = []
    try:
        both += [Person(name, server, tmp_path / name) for name in ("ada", "bob")]
        yield both[0], both[1]
    finally:
        for person in both:
            person.child.close(force=True)


def test_two_people_talk(server: Server, people: tuple[Person, Person], tmp_path: Path) -> None:
    ada, bob = people
    ada.enter("/open @bob")
    ada.see("@bob  online")
    ada.enter("hello")
    ada.see("@ada: hello ✓✓")
    bob.see(r"@ada \(1\)")
    bob.enter("/open 1")
    bob.see("#1 .*@ada: hello")
    ada.see("hello ✓✓ seen")
    bob.child.send("typing")
    ada.see("@bob is typing…")
    bob.child.send("\r")
    ada.see("#2 .*@bob: typing")
    ada.see_no_more("@bob is typing…")
    ada.enter("/reply 2 answered")
    bob.see("┌ #2 @bob: typing")
    bob.see("#3 .*@ada: answered")

    # The server dies, and what is written meanwhile waits.
    server.kill()
    ada.see("reconnecting…")
    ada.enter("waiting")
    ada.enter("patiently")
    ada.see("patiently … sending")
    bob.see("reconnecting…")
    server.start()
    ada.see("● online")
    ada.see("patiently ✓")
    bob.see("@ada: patiently")
    expected = ["hello", "typing", "answered", "waiting", "patiently"]
    assert bob.messages() == ada.messages() == expected

    # A client that was closed with a message in its queue sends it the next time.
    server.kill()
    ada.see("reconnecting…")
    ada.enter("later")
    ada.see("later … sending")
    ada.leave()
    server.start()
    again = Person("ada", server, tmp_path / "ada")  # its token was kept
    try:
        bob.see("@ada: later")
        again.enter("/open @bob")
        again.see("@ada: later ✓✓ seen")
        again.leave()
    finally:
        again.child.close(force=True)
    bob.leave()


def test_photographs_and_posts(people: tuple[Person, Person], tmp_path: Path) -> None:
    ada, bob = people
    photo = tmp_path / "photo.jpg"
    Image.linear_gradient("L").convert("RGB").resize((320, 240)).save(photo)
    ada.enter("/open @bob")
    ada.see("@bob  online")
    bob.enter("/open @ada")
    bob.see("@ada  online")
    ada.enter(f"/photo {photo} look")
    bob.see(r"@ada: \[photo 320×240\] look")
    bob.enter("/follow @ada")
    bob.see("you follow @ada")
    ada.enter(f"/post Evening {photo}")
    ada.see("posted")
    bob.see("there are new posts")
    bob.enter("/home")
    bob.see(r"\[photo 320×240\]")
    bob.enter("/like 1")
    bob.see("♥ 1")
    ada.see("@bob liked your post")
    bob.enter("/comment 1 Lovely")
    ada.see("@bob commented on your post: Lovely")
    for person in people:
        person.leave()
    for name in ("ada", "bob"):
        kept = [tmp_path / name, *(tmp_path / name).iterdir()]
        assert {"token", "chat.db"} <= {path.name for path in kept}
        assert [path for path in kept if path.stat().st_mode & 0o077] == []  # theirs alone
