"""The command line: `python -m realtime --help`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from realtime import app as composition
from realtime import serving
from realtime.commands import client_commands
from realtime.settings import Settings

app = cyclopts.App(
    name="sunwire",
    help="The realtime backend of an Instagram-like network with full chat.",
    version=composition.VERSION,
    config=[cyclopts.config.Env("SUNWIRE_", command=False)],
)


for command in client_commands:
    app.command(command)


@app.meta.default
def meta(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[Path, Parameter(help="a TOML file with settings")] = Path("sunwire.toml"),
) -> None:
    """Reads the settings file, then runs the command."""
    app.config = [
        cyclopts.config.Env("SUNWIRE_", command=False),
        cyclopts.config.Toml(
            config, must_exist=config != Path("sunwire.toml"), use_commands_as_keys=False
        ),
    ]
    app(tokens)


@app.command
def serve(settings: Annotated[Settings, Parameter(name="*")] = Settings()) -> None:  # noqa: B008
    """Runs the server until SIGTERM or SIGINT, then drains."""
    serving.serve(settings)


def main() -> None:
    app.meta()


if __name__ == "__main__":
    main()
