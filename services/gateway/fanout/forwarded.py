"""What is noted of announcements that were forwarded: how old their messages are, and the spans of those traced."""

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from shared.broker.along import TRACES, Headers, read
from shared.contracts.events import Announcement
from shared.runtime.clock import now_ms
from shared.runtime.legs import leg_histograms
from shared.runtime.metrics import Metrics
from shared.runtime.telemetry import CONVERSATION_ID, Traces


class _Sent(msgspec.Struct):
    """When a message was accepted; the rest of its frame is passed over."""

    sent_at: datetime


_decode = msgspec.json.Decoder(_Sent).decode


class Forwarded:
    """Looks at the oldest and the newest message of what came in one go; `reaches` counts the sockets here."""

    def __init__(self, metrics: Metrics, traces: Traces, reaches: Callable[[Announcement], int]) -> None:
        (self._seconds,) = leg_histograms(metrics, "forwarded")
        self._traces = traces
        self._reaches = reaches

    def note(self, announcements: Sequence[Announcement], headers: Headers | None, begun_ns: int) -> None:
        """Note that these were forwarded, in what was begun at `begun_ns` (Unix)."""
        oldest = next(filter(self._is_message_for_us, announcements), None)
        if oldest is None:
            return
        self._observe(oldest)
        newest = next(filter(self._is_message_for_us, reversed(announcements)))
        if newest is not oldest:
            self._observe(newest)
        if headers and TRACES in headers and self._traces.is_on:
            self._trace(announcements, read(headers[TRACES]), begun_ns)

    def _is_message_for_us(self, announcement: Announcement) -> bool:
        return announcement.rev > 0 and self._reaches(announcement) > 0

    def _observe(self, announcement: Announcement) -> None:
        try:
            sent_at = _decode(announcement.frame).sent_at
        except msgspec.MsgspecError:
            return  # a frame with a rev that is no message
        self._seconds.observe(max(0.0, now_ms() / 1000 - sent_at.timestamp()))

    def _trace(self, announcements: Sequence[Announcement], contexts: dict[str, str], begun_ns: int) -> None:
        for announcement in announcements:
            context = contexts.get(f"{announcement.conversation_id}.{announcement.rev}")
            if context is not None and (sockets := self._reaches(announcement)):
                about: dict[str, str | int] = {CONVERSATION_ID: announcement.conversation_id, "parley.sockets": sockets}
                span = self._traces.follow(context, "forward", "consumer", about, begun_ns=begun_ns)
                if span is not None:
                    span.end()
