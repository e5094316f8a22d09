"""The command line: `python -m realtime --help`."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter

from realtime import fitting, serving
from realtime.cluster.child import is_child
from realtime.commands import add_commands
from realtime.commands.place import place_of
from realtime.settings import Settings

app = cyclopts.App(
    name="sunwire",
    help="The realtime backend of an Instagram-like network with full chat.",
    version=fitting.VERSION,
    config=[cyclopts.config.Env("SUNWIRE_", command=False)],
)


add_commands(app)

DEFAULT_FILE = Path("sunwire.toml")


@app.meta.default
def meta(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[
        Path, Parameter(help="a TOML file with the server's settings, if it exists")
    ] = DEFAULT_FILE,
) -> None:
    """Reads the settings file, then runs the command."""
    app.config = [cyclopts.config.Env("SUNWIRE_", command=False)]
    if tokens and (settings := _settings_for(tokens, config)):
        app.config = [*app.config, settings]
    elif config != DEFAULT_FILE and not config.is_file():
        serving.refuse(f"there is no settings file {config}")
    app(tokens)


def _settings_for(command: Sequence[str], file: Path) -> cyclopts.config.Dict | None:
    """Those of the file that the command takes: `serve` and `doctor` are told of those that
    nobody knows."""
    if command[0] in ("serve", "doctor"):
        # By the command's name: a setting may be named as another one is.
        return cyclopts.config.Dict({command[0]: _read(file)}, source=str(file))
    if place := place_of(command):
        taken = {field.name for field in dataclasses.fields(place)}
        found = {name: value for name, value in _read(file).items() if name in taken}
        return cyclopts.config.Dict(found, use_commands_as_keys=False, source=str(file))
    return None


def _read(file: Path) -> dict[str, Any]:
    """The settings in the file; the default one need not be there."""
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
        for name in (name for name, value in found.items() if isinstance(value, dict)):
            serving.refuse(f"the settings file {file} has a table [{name}], and settings need none")
        return found
    except FileNotFoundError:
        if file != DEFAULT_FILE:
            serving.refuse(f"there is no settings file {file}")
    except OSError as error:
        serving.refuse(f"the settings file {file} cannot be read: {error.strerror}")
    except ValueError as error:
        serving.refuse(f"the settings file {file} is not TOML: {error}")
    return {}


@app.command
def serve(settings: Annotated[Settings, Parameter(name="*")] = Settings()) -> None:  # noqa: B008
    """Runs the server until SIGTERM or SIGINT, then drains."""
    serving.serve(settings)


def main() -> None:
    if is_child():  # which is told its settings, whatever the command line says
        serving.serve(Settings())
    else:
        app.meta()


if __name__ == "__main__":
    main()
