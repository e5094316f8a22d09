"""The commands of a client: everything but running a server."""

from __future__ import annotations

from cyclopts import App

from realtime.commands.bench import app as bench_app
from realtime.commands.call import app as call_app
from realtime.commands.chat import app as chat_app
from realtime.commands.demo import app as demo_app
from realtime.commands.signin import app as signin_app
from realtime.commands.tail import app as tail_app
from realtime.commands.upload import app as upload_app

client_commands: list[App] = [
    signin_app,
    call_app,
    tail_app,
    upload_app,
    chat_app,
    demo_app,
    bench_app,
]
