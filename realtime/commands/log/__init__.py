"""`log`: the event log and its consumers, for whoever runs a server.

The commands work on the database of the settings, whether servers run on it or not.
"""

from __future__ import annotations

from cyclopts import App

COMMANDS = {
    "show": "Prints entries of the log.",
    "lag": "Says of each consumer how far it has come.",
    "dead": "Lists the entries that consumers have set aside; has them retried, or discards them.",
    "pause": "Pauses a consumer, until it is resumed.",
    "resume": "Lets a paused consumer go on.",
    "replay": "Lets a consumer take entries once more.",
    "rebuild": "Builds the rows of a consumer anew, beside those that are shown.",
    "forget": "Forgets a consumer that this version has no more.",
    "retention": "Says what of the log would go now for its age, and who keeps it from going.",
    "archive": "Verifies the files of an archive of the log, lists or reads them.",
    "new-epoch": "Gives the log a new epoch, after a backup was restored.",
}
"""What each does. It is the function of its name, with _ for -, in the module of that name."""

app = App(
    name="log",
    help="Looks into the event log and after its consumers.",
)
for _name, _what in COMMANDS.items():
    _python = _name.replace("-", "_")
    app.command(f"realtime.commands.log.{_python}:{_python}", name=_name, help=_what)
