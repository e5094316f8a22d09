"""A bot that answers in every room it is put into, and loses no message to a bad network.

    python -m examples.echo_bot --token "$(python -m realtime signin --address bot@example.org)"

The state on disk holds its cursor and the answers that are not sent yet: stopped, or killed, it
goes on where it was. An event may come again then, but its answer's `client_id` is made of the
message's id, and the server keeps one message a `client_id`.
"""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import trio
from cyclopts import App, Parameter

from rpc.client import Client, ClientOptions, SqliteState, dial_url, events, open_client
from rpc.proto import chat_pb2, models_pb2

app = App(name="echo-bot")


async def answer_everything(client: Client) -> None:
    """Answers until the session ends."""
    async for event in client.events:
        # Asking for the next event says that this one is handled: by then the answer is stored.
        match event:
            case events.UpdateReceived(update) if update.HasField("message"):
                if wants_answer(update.message, client.user_id):
                    await answer(client, update.message)
            case events.Connected(user_id, _, resumed):
                print(f"user {user_id} is", "back" if resumed else "here", flush=True)
            case events.Disconnected(reason, _, retry_in):
                print(f"{reason or 'connection lost'}; next try in {retry_in:.1f} s", flush=True)
            case _:
                pass


def wants_answer(message: models_pb2.Message, me: int) -> bool:
    """Not its own messages, and no replies: two bots would never be done with each other."""
    return message.sender_id != me and not message.reply_to and bool(message.text)


async def answer(client: Client, message: models_pb2.Message) -> None:
    request = chat_pb2.SendMessageRequest(
        room_id=message.room_id,
        client_id=message.id.to_bytes(16, "big"),
        text=message.text,
        reply_to=message.id,
    )
    lane = f"room:{message.room_id}"  # answers of one room keep their order
    await client.enqueue("Chat.SendMessage", request, models_pb2.Message, lane=lane)


@app.default
def main(
    *,
    token: Annotated[str, Parameter(help="a session's token, as `signin` prints it")],
    url: str = "ws://127.0.0.1:7400",
    state: Annotated[str, Parameter(help="file of its state")] = "echo_bot.db",
) -> None:
    async def run() -> None:
        options = ClientOptions(device="echo bot")
        with closing(SqliteState(state)) as kept:
            async with open_client(
                dial_url(url), token=token, state=kept, options=options
            ) as client:
                await answer_everything(client)

    trio.run(run)


if __name__ == "__main__":
    app()
