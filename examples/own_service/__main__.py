"""A server with the dice: `python -m examples.own_service --help` shows its settings."""

from __future__ import annotations

from random import SystemRandom
from typing import Annotated

import cyclopts

from examples.own_service.service import Dice
from realtime.serving import serve
from realtime.settings import Settings

app = cyclopts.App(name="dice-server", help="Sunwire, and dice.")


@app.default
def main(settings: Annotated[Settings, cyclopts.Parameter(name="*")] = Settings()) -> None:  # noqa: B008
    serve(settings, services=[Dice(SystemRandom())])


if __name__ == "__main__":
    app()
