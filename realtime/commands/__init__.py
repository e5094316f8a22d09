"""The commands: everything but running a server."""

from __future__ import annotations

from cyclopts import App

COMMANDS = {
    "signin": "Signs in (or up) and prints the session's token.",
    "call": "Calls a method and prints the answer as JSON.",
    "tail": "Prints everything that a session receives, as JSON lines.",
    "upload": "Uploads a file and prints its media object as JSON.",
    "chat": "Chats in the terminal: rooms, photographs, posts.",
    "blobs": "Looks after the bytes of uploads: counts, verifies, collects and moves them.",
    "log": "Looks into the event log and after its consumers.",
    "demo": "Starts a server and lets people use it; compares what each received.",
    "bench": "Measures a server of its own, in a temporary folder, over real sockets.",
    "doctor": "Examines what a server would run on, and says what is wrong and what to do.",
    "migrate": "Brings the database up to date, or shows what there is to do.",
}
"""What each does. It is the `app` of the module here of its name."""

ON_THE_STORE = frozenset({"blobs", "log", "migrate"})
"""Those that work on a server's database, and are told by its settings where that is."""


def add_commands(app: App) -> None:
    """Adds them; a module is imported when its command is run, and none to run a server."""
    for name, what in COMMANDS.items():
        app.command(f"realtime.commands.{name}:app", name=name, help=what)
