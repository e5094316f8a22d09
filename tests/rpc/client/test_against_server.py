"""The client against a whole server in memory, over streams that break."""

from __future__ import annotations

import secrets
from random import Random

import trio
import trio.testing

from realtime.testing.server import TestServer, open_test_server
from rpc.client import Client, ClientOptions, open_client
from rpc.client.events import CaughtUp, Connected, UpdateReceived
from rpc.proto import auth_pb2, chat_pb2
from rpc.proto.stubs import AuthClient, ChatClient
from tests.rpc.client.fakes import Inbox


async def sign_up(server: TestServer, client: Client, name: str) -> None:
    auth = AuthClient(client)
    address = f"{name}@example.org"
    await auth.request_code(auth_pb2.RequestCodeRequest(address=address))
    code = server.sender.codes[address]
    answer = await auth.sign_in_with_code(
        auth_pb2.SignInWithCodeRequest(address=address, code=code)
    )
    await auth.sign_up(
        auth_pb2.SignUpRequest(ticket=answer.sign_up_ticket, username=name, name=name.title())
    )


async def test_a_conversation_over_a_line_that_breaks_loses_and_doubles_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server, trio.open_nursery() as nursery:
        line_a, line_b = server.line(), server.line()
        options = ClientOptions(random=Random(5))
        async with (
            open_client(line_a.dial, options=options) as ada,
            open_client(line_b.dial, options=options) as bob,
        ):
            await sign_up(server, ada, "ada")
            await sign_up(server, bob, "bob")
            inbox = Inbox(bob, nursery)
            room = await ChatClient(ada).open_direct(
                chat_pb2.OpenDirectRequest(user_id=bob.user_id)
            )
            await inbox.wait(Connected)
            expected = []
            for number in range(40):
                text = f"message {number}"
                expected.append(text)
                if number % 5 == 2:
                    await line_b.cut()
                if number % 7 == 3:
                    await line_a.cut()
                await ChatClient(ada).send_message(
                    chat_pb2.SendMessageRequest(
                        room_id=room.room.id, client_id=secrets.token_bytes(16), text=text
                    )
                )
            with trio.fail_after(60):
                await inbox.wait_until(lambda: len(texts(inbox)) >= len(expected))
            await trio.sleep(5)
            assert texts(inbox) == expected
            await inbox.wait(CaughtUp)
            statistics = bob.statistics()
            assert statistics.feed.gaps == 0
            assert statistics.connects > 3
            nursery.cancel_scope.cancel()


def texts(inbox: Inbox) -> list[str]:
    return [
        event.update.message.text
        for event in inbox.events
        if isinstance(event, UpdateReceived) and event.update.HasField("message")
    ]
