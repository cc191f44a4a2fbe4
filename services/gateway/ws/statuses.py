"""How people are, over one socket: the status its user chooses, and whom its client watches."""

from collections.abc import Callable

from services.gateway.fanout.presence import Presence
from services.gateway.fanout.watcher import Shown
from services.gateway.protocol import outbound
from services.gateway.protocol.inbound import StatusRequest, check_usernames
from services.gateway.ws.lane import Lane, Work
from shared.contracts.ids import UserId, Username
from shared.contracts.presence import ChosenStatus


class Statuses:
    """Made with the first `user_status` of a socket.

    `hint` sends a frame, or tells that it can't be sent now; `guarded` does work and answers what it raises.
    """

    __slots__ = ("_guarded", "_hint", "_lane", "_presence", "_user_id", "_watcher")

    def __init__(
        self,
        presence: Presence,
        user_id: UserId,
        hint: Callable[[bytes], bool],
        guarded: Callable[[Work], Work],
        lane: Lane,
    ) -> None:
        self._presence = presence
        self._user_id = user_id
        self._hint = hint
        self._guarded = guarded
        self._lane = lane
        self._watcher = presence.watching.open(user_id, self._tell)

    def take(self, request: StatusRequest) -> None:
        """Do what a frame asks for, now or later.

        Raises:
            Refusal: `invalid`, `unavailable`: nobody new is watched then, and the status stays.
        """
        unwatched = check_usernames("unwatch", request.unwatch)
        watched = check_usernames("watch", request.watch)
        self._presence.watching.unwatch(self._watcher, unwatched)
        self._presence.watching.watch(self._watcher, watched)
        status = request.status
        if status is not None:
            self._lane.put(lambda: self._guarded(lambda: self._choose(status)))

    def catch_up(self) -> None:
        """Tell what could not be told during a replay."""
        self._presence.watching.nudge(self._watcher)

    def close(self) -> None:
        """Watch nobody any more."""
        self._presence.watching.close(self._watcher)

    def _tell(self, username: Username, shown: Shown) -> bool:
        return self._hint(outbound.user_status(username, shown.status, shown.last_seen_ms))

    async def _choose(self, status: ChosenStatus) -> None:
        await self._presence.choose(self._user_id, status)
