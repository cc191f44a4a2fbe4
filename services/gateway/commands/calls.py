"""Commands that are no messages, for whoever waits until they are carried out."""

import asyncio
from typing import Final

import msgspec

from services.gateway.commands.inflight import InFlight
from services.gateway.commands.pending import Sending, refusal_of
from shared.broker.along import Along
from shared.broker.publisher import BundleWriter
from shared.contracts.commands import MoveCursor, Origin, SetBlock
from shared.contracts.errors import Code, Refusal
from shared.contracts.events import Answer
from shared.contracts.ids import GatewayId, partition_of
from shared.runtime import telemetry

ANSWER_S: Final = 2.0

_encode = msgspec.msgpack.Encoder().encode


class Calls:
    """Each is on a line of its own, as long as somebody waits."""

    def __init__(self, writer: BundleWriter[Sending | None], in_flight: InFlight, gateway_id: GatewayId) -> None:
        self._writer = writer
        self._in_flight = in_flight
        self._gateway_id = gateway_id

    async def call(self, kind: str, command: MoveCursor | SetBlock) -> None:
        """Append a command, and wait until it is carried out.

        Raises:
            Refusal: of delivery; `unavailable`: not confirmed within 2 s, to be repeated.
        """
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def on_answer(answer: Answer) -> None:
            if not answered.done():
                answered.set_result(answer)

        line = self._in_flight.open_line(on_answer)
        try:
            partition = partition_of(command.conversation_id, self._writer.partitions)
            origin, above = Origin(self._gateway_id, line), telemetry.current()
            along = Along(telemetry.request_id(), "" if above is None else above.context)
            self._writer.append(partition, _encode((kind, origin, command)), None, along)
            async with asyncio.timeout(ANSWER_S):
                answer = await answered
        except TimeoutError:
            raise Refusal(Code.UNAVAILABLE, "It was not confirmed in time. Try again.", 1000) from None
        finally:
            self._in_flight.close_line(line)
        if answer.code:
            raise refusal_of(answer)
