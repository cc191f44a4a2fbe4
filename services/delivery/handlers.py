"""What happens to a batch of the log: read its commands, decide and store them in one transaction."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import msgspec
import structlog

from services.delivery.domain.values import Item, Outcome, Refused
from services.delivery.legs import Legs
from services.delivery.store import Advance, Poisoned, Store
from shared.broker import dead_letters
from shared.broker.along import NOTHING, along_with
from shared.broker.connection import Connection
from shared.broker.log import Bundle
from shared.broker.tuples import reader
from shared.contracts.commands import KINDS, Command, Origin
from shared.contracts.ids import LogId
from shared.runtime.clock import now_ms, now_ns
from shared.runtime.logs import brief

log = structlog.get_logger("delivery")

REFUSED_DETAIL = "This request could not be carried out. It was kept for the operators to look at."


class Refusing(Protocol):
    """What this needs of the announcer."""

    async def refuse(self, origin: Origin, detail: str) -> None:
        """Tell who asked that a command cannot be applied."""


class Counting(Protocol):
    """What this reports of its work."""

    def applied(self, commands: int) -> None:
        """Count commands applied in one transaction."""

    def recalled(self, commands: int) -> None:
        """Count commands, applied earlier, that were announced again."""

    def buried(self) -> None:
        """Count a command that went to the dead letters."""


class Noting(Protocol):
    """What takes notes of what was stored."""

    def note(self, outcomes: Sequence[Outcome]) -> None:
        """Note what a batch has brought about, after its commit."""


class _RawItem(NamedTuple):
    kind: str
    origin: msgspec.Raw
    command: msgspec.Raw


@dataclass(slots=True)
class BatchHandler:
    """Handles batch after batch. What was buried stays so until its position is passed."""

    connection: Connection
    store: Store
    announcer: Refusing
    counts: Counting
    retries: Noting
    legs: Legs
    _buried: set[tuple[int, int]] = field(default_factory=set)

    async def apply(self, bundles: Sequence[Bundle], applied: dict[int, int], advance: Advance) -> list[Outcome]:
        """Carry out what is above the positions in `applied`, find again what is not, and move the position.

        What came of it all is returned, to be announced.

        Raises:
            Overtaken; one of STORE_ERRORS or BROKER_ERRORS: nothing was done; begin a new session.
        """
        log_id = advance.log_id
        known: list[Item] = []
        new: list[Item] = []
        for bundle in bundles:
            items = await self._read(bundle, log_id)
            (new if bundle.seq > applied[bundle.partition] else known).extend(items)
        outcomes: list[Outcome] = []
        if known:
            outcomes = await self.store.recall(known)
            self.counts.recalled(len(known))
        begun_ns = now_ns()
        stored = await self._apply(new, advance)
        self.legs.committed(new, stored, begun_ns, now_ms())
        self.retries.note(stored)
        if log.is_enabled_for(logging.DEBUG):
            _log_refused(new, stored)
        return outcomes + stored

    async def _apply(self, items: list[Item], advance: Advance) -> list[Outcome]:
        try:
            outcomes = await self.store.apply(items, advance, now_ms())
        except Poisoned as error:
            # Without the traceback: a driver's error may show the values of the row it was about.
            log.error("batch_cannot_be_applied", commands=len(items), error=brief(error.__cause__ or error))  # noqa: TRY400
            poison = await self.store.find_poison(items)
            if not poison:
                raise RuntimeError("no command of the batch fails by itself") from error
            for item in items:
                reason = poison.get((item.seq, item.place))
                if reason is not None:
                    await self._bury(item, reason, advance.log_id)
            healthy = [item for item in items if (item.seq, item.place) not in poison]
            outcomes = await self.store.apply(healthy, advance, now_ms())
        self._buried = {place for place in self._buried if place[0] > max(a for _, a, _ in advance.moves.values())}
        self.counts.applied(len(items))
        return outcomes

    async def _read(self, bundle: Bundle, log_id: LogId) -> list[Item]:
        """Decode the commands of a bundle, each for itself; what cannot be read is buried."""
        try:
            raw_items = _decode_bundle(bundle.payload)
        except msgspec.DecodeError as error:
            await self._bury_raw(bundle, 0, bundle.payload, f"not a bundle: {error}", log_id, None)
            return []
        items: list[Item] = []
        accompanied = along_with(bundle.headers)
        for place, raw in enumerate(raw_items):
            origin = None
            request_id, trace = accompanied.get(place, NOTHING) if accompanied else NOTHING
            try:
                kind, raw_origin, raw_command = _decode_item(raw)
                origin = _decode_origin(raw_origin)
                command: Command = _decoders[kind](raw_command)
            except (msgspec.DecodeError, KeyError) as error:
                reason = f"cannot be read: {error!r}"
                await self._bury_raw(bundle, place, bytes(raw), reason, log_id, origin, request_id)
            else:
                items.append(Item(bundle.partition, bundle.seq, place, origin, command, request_id, trace))
        return items

    async def _bury(self, item: Item, reason: str, log_id: LogId) -> None:
        kind = next(kind for kind, of in KINDS.items() if isinstance(item.command, of))
        raw = msgspec.msgpack.encode((kind, item.origin, item.command))
        bundle = Bundle(item.partition, item.seq, b"")
        await self._bury_raw(bundle, item.place, raw, reason, log_id, item.origin, item.own_request_id)

    async def _bury_raw(
        self,
        bundle: Bundle,
        place: int,
        raw: bytes,
        reason: str,
        log_id: LogId,
        origin: Origin | None,
        request_id: str = "",
    ) -> None:
        request_id = request_id or (origin.request_id if origin is not None else "")
        if (bundle.seq, place) not in self._buried:
            log.error(
                "dead_letter",
                request_id=request_id,
                partition=bundle.partition,
                seq=bundle.seq,
                place=place,
                reason=reason,
            )
            await dead_letters.bury(
                self.connection,
                log_id=log_id,
                seq=bundle.seq,
                index=place,
                partition=bundle.partition,
                reason=reason,
                item=raw,
                request_id=request_id,
            )
            self._buried.add((bundle.seq, place))
            self.counts.buried()
        if origin is not None:
            await self.announcer.refuse(origin, REFUSED_DETAIL)


def _log_refused(items: Sequence[Item], outcomes: Sequence[Outcome]) -> None:
    named = {item.origin: item.request_id for item in items}
    for outcome in outcomes:
        if isinstance(outcome, Refused):
            log.debug("command_refused", request_id=named.get(outcome.origin, ""), code=outcome.code.value)


_decode_bundle = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_decode_item = reader(_RawItem)
_decode_origin = reader(Origin)
_decoders: dict[str, Callable[[msgspec.Raw], Command]] = {kind: reader(command) for kind, command in KINDS.items()}
