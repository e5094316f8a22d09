"""The handler of `dice.proto`. The server refuses to start when it does not match."""

from __future__ import annotations

from random import Random

from examples.own_service.dice_pb2 import RollRequest, RollResponse
from examples.own_service.stubs import DiceService
from rpc.context import CallContext
from store.changes.messages import SendMessage


class Dice(DiceService):
    """Whoever may write in the room may roll there: the change itself decides that."""

    def __init__(self, random: Random) -> None:
        self._random = random

    async def roll(self, ctx: CallContext, request: RollRequest) -> RollResponse:
        assert ctx.op is not None  # the policy says `mutating`
        message = await ctx.commit(
            SendMessage(
                op=ctx.op,
                sender_id=ctx.user_id,
                room_id=request.room_id,
                client_id=ctx.op.key,
                text=f"rolled {self._random.randint(1, request.sides)} of {request.sides}",
            )
        )
        # A repeat is answered with the message of the first time: the value is in there.
        return RollResponse(value=int(message.text.split()[1]), message_id=message.id)
