"""One connection of a client: hello, replay, live, until it closes."""

import asyncio
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from deploy.verify.history import (
    CaughtUp,
    Hello,
    How,
    Resync,
    TypingState,
    Watch,
    Welcome,
)
from deploy.verify.sending import UNANSWERED_S, Outgoing, denied_by_error, stored_by_ack
from deploy.verify.timeline import Timeline
from deploy.verify.wire import Closed, Frame, Wire

CHORES_EVERY_S = 0.2
HOLE_S = 0.5
LOST_PONG_S = 10.0
PAGE = 200
WATCHED_AT_ONCE = 200


class Session:
    """One open socket: hello, replay, live, until it closes."""

    def __init__(
        self,
        number: int,
        wire: Wire,
        timeline: Timeline,
        device_id: str,
        notify: Callable[[], None],
    ) -> None:
        self.number = number
        self.wire = wire
        self.timeline = timeline
        self.live_at: float | None = None
        self._caught_up = False
        self._broken = False
        self.stay_away = timedelta(0)
        self._device_id = device_id
        self._notify = notify
        self._heartbeat_s = 20.0
        self._asked_at: dict[str, float] = {}
        self._told_of: set[str] = set()
        self._pages: dict[str, asyncio.Future[Frame | None]] = {}
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def is_live(self) -> bool:
        """Whether the replay is over and the socket open, as far as we know."""
        return self._caught_up and not self._broken

    async def read(self) -> None:
        """Say hello and take every frame until the socket closes.

        Raises:
            Closed: always, at last.
        """
        try:
            await self._hello()
            while True:
                frame = await self._next()
                if frame["type"] == "resync" and frame.get("conversation_id") is None:
                    self._note_resync(frame)
                    await self._hello()
                elif frame["type"] == "ping":
                    await self.wire.send({"type": "pong", "n": frame["n"]})
                else:
                    self._take(frame)
        finally:
            self._broken = True
            self._closed.set_result(None)

    async def ask(self, outgoing: Outgoing) -> None:
        """Send a message; wait for its answer, for 10 s, or for the end of the connection."""
        try:
            await self.wire.send(outgoing.frame)
        except Closed:
            # The reader has not noticed yet; nobody may try this connection again before it does.
            self._broken = True
            return
        waiting: set[asyncio.Future[Any]] = {outgoing.answer, self._closed}
        await asyncio.wait(waiting, timeout=UNANSWERED_S, return_when=asyncio.FIRST_COMPLETED)

    async def tell_receipts(self) -> None:
        """Say what is delivered and read, and say again what is not confirmed."""
        loop = asyncio.get_running_loop()
        while True:
            if self.is_live:
                for conversation_id, state, seq in self.timeline.receipts.due(loop.time()):
                    frame = {"type": "read_receipt", "conversation_id": conversation_id}
                    await self.wire.send(frame | {"state": state, "up_to_seq": seq})
            await asyncio.sleep(CHORES_EVERY_S)

    async def keep_watch(self) -> None:
        """Ask for everybody the client wants to watch, and again for those it is told nothing about."""
        timeline, loop = self.timeline, asyncio.get_running_loop()
        while True:
            longest = loop.time() - UNANSWERED_S
            unknown = sorted(timeline.watched - self._told_of)
            due = [name for name in unknown if self._asked_at.get(name, longest) <= longest][:WATCHED_AT_ONCE]
            if self.is_live and due:
                self._asked_at.update(dict.fromkeys(due, loop.time()))
                timeline.history.record(Watch(user=timeline.username, connection=self.number, users=tuple(due)))
                await self.wire.send({"type": "user_status", "watch": due})
            await asyncio.sleep(CHORES_EVERY_S)

    async def type(self, to: str, state: TypingState) -> None:
        """Say that the user types or has stopped; whether that arrives is not told."""
        try:
            await self.wire.send({"type": "typing", "to": to, "state": state})
        except Closed:
            self._broken = True

    async def fill_holes(self) -> None:
        """Sync what was named in `more` or `resync`, and every hole that stays for 500 ms."""
        timeline = self.timeline
        while True:
            holes = {name: timeline.cursors.at(name) for name in timeline.cursors.holes()}
            await asyncio.sleep(HOLE_S)
            if not self.is_live:
                continue
            for name, cursor in holes.items():
                if timeline.cursors.has_hole(name) and timeline.cursors.at(name) == cursor:
                    timeline.to_sync.add(name)
            for conversation_id in sorted(timeline.to_sync):
                await self._sync(conversation_id)
                timeline.to_sync.discard(conversation_id)

    async def _sync(self, conversation_id: str) -> None:
        timeline = self.timeline
        after, page = timeline.cursors.at(conversation_id), None
        while page is None or not page["complete"]:
            page = await self._page(conversation_id, after)
            if page is None:
                return
            for message in page["messages"]:
                timeline.take_message(message, "sync", self.number)
            timeline.cursors.synced(conversation_id, page["rev"])
            after = page["rev"]

    async def _page(self, conversation_id: str, after: int) -> Frame | None:
        """Ask for one page until it comes; None where there is no such conversation."""
        request = {
            "type": "sync",
            "id": secrets.token_hex(12),
            "conversation_id": conversation_id,
            "after_rev": after,
            "limit": PAGE,
        }
        answer: asyncio.Future[Frame | None] = asyncio.get_running_loop().create_future()
        self._pages[str(request["id"])] = answer
        try:
            while not answer.done():
                await self.wire.send(request)
                await asyncio.wait({answer}, timeout=UNANSWERED_S)
            return answer.result()
        finally:
            del self._pages[str(request["id"])]

    async def _hello(self) -> None:
        timeline = self.timeline
        frame: Frame = {
            "type": "hello",
            "v": 1,
            "device_id": self._device_id,
            "cursors": timeline.cursors.snapshot(),
        }
        if timeline.epoch is not None:
            frame["epoch"] = timeline.epoch
        timeline.history.record(
            Hello(
                user=timeline.username,
                connection=self.number,
                epoch=timeline.epoch,
                cursors=timeline.cursors.snapshot(),
            )
        )
        await self.wire.send(frame)

    async def _next(self) -> Frame:
        """Return the next frame; after silence ping, and leave when not even that is answered."""
        try:
            return await self.wire.receive(self._heartbeat_s * 1.25)
        except TimeoutError:
            await self.wire.send({"type": "ping", "n": 1})
        try:
            return await self.wire.receive(LOST_PONG_S)
        except TimeoutError:
            raise Closed(1006, "no sign of life from the server") from None

    def _take(self, frame: Frame) -> None:
        take = {
            "welcome": self._welcome,
            "caught_up": self._take_caught_up,
            "message": self._message,
            "conversation": self._advance,
            "ack": self._ack,
            "read_receipt": lambda frame: self.timeline.take_receipt(frame, self.number),
            "message_status": self.timeline.take_status,
            "user_status": self._user_status,
            "typing": lambda frame: self.timeline.take_typing(frame, self.number),
            "resync": self._resync,
            "sync_page": self._sync_page,
            "error": self._error,
            "goodbye": self._goodbye,
        }.get(frame["type"])
        if take is not None:
            take(frame)

    def _message(self, frame: Frame) -> None:
        self._advance(frame)
        how: How = "live" if self._caught_up else "replay"
        self.timeline.take_message(frame, how, self.number)

    def _user_status(self, frame: Frame) -> None:
        self._told_of.add(frame["user"])
        self.timeline.take_presence(frame, self.number)

    def _sync_page(self, frame: Frame) -> None:
        page = self._pages.get(frame["re"])
        if page is not None and not page.done():
            page.set_result(frame)

    def _goodbye(self, frame: Frame) -> None:
        self.stay_away = timedelta(milliseconds=frame["after_ms"])

    def _welcome(self, frame: Frame) -> None:
        timeline = self.timeline
        self._caught_up = False
        self._heartbeat_s = frame["heartbeat_ms"] / 1000
        if timeline.epoch not in {None, frame["epoch"]}:
            timeline.cursors.forget()
        timeline.epoch = frame["epoch"]
        timeline.history.record(Welcome(user=timeline.username, connection=self.number, epoch=frame["epoch"]))

    def _take_caught_up(self, frame: Frame) -> None:
        timeline = self.timeline
        more = tuple(frame.get("more", ()))
        timeline.cursors.replace(frame["cursors"])
        timeline.to_sync.update(more)
        timeline.receipts.repeat_all()
        timeline.history.record(
            CaughtUp(
                user=timeline.username,
                connection=self.number,
                cursors=frame["cursors"],
                more=more,
            )
        )
        self._caught_up = True
        self.live_at = self.live_at or asyncio.get_running_loop().time()
        self._notify()

    def _ack(self, frame: Frame) -> None:
        stored = stored_by_ack(frame)
        self.timeline.take_own(stored)
        self._advance(frame)
        if not self._caught_up:
            self.timeline.cursors.remember(stored.conversation_id, stored.rev)
        if (outgoing := self.timeline.outgoing.get(frame["re"])) is not None:
            outgoing.settle(stored)

    def _advance(self, frame: Frame) -> None:
        if self._caught_up:
            self.timeline.cursors.advance(frame["conversation_id"], frame["rev"])

    def _resync(self, frame: Frame) -> None:
        self._note_resync(frame)
        conversation_id = frame["conversation_id"]
        if self._caught_up:
            self.timeline.to_sync.add(conversation_id)
        else:
            self.timeline.cursors.reset(conversation_id)

    def _note_resync(self, frame: Frame) -> None:
        self.timeline.history.record(
            Resync(
                user=self.timeline.username,
                connection=self.number,
                conversation_id=frame.get("conversation_id"),
                reason=frame["reason"],
            )
        )

    def _error(self, frame: Frame) -> None:
        re = frame.get("re", "")
        if (outgoing := self.timeline.outgoing.get(re)) is not None:
            outgoing.settle(denied_by_error(frame))
        page = self._pages.get(re)
        if page is not None and not page.done() and not frame["retryable"]:
            page.set_result(None)
