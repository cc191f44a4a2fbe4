"""Tells every gateway that sign-ins ended: what was remembered of them is dropped and their sockets are closed."""

from collections.abc import Callable, Sequence

import msgspec

from shared.broker.connection import BROKER_ERRORS, Connection
from shared.contracts.events import SessionsRevoked
from shared.contracts.ids import UserId
from shared.contracts.subjects import SESSIONS_REVOKED
from shared.runtime import logs

OnEnded = Callable[[UserId, Sequence[str]], None]

_log = logs.get(__name__)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(SessionsRevoked).decode


class Revocations:
    """One per gateway; `listeners` are called here at once, and on every other gateway when it hears of it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.listeners: list[OnEnded] = []

    async def listen(self) -> None:
        """Hear what other gateways ended.

        Raises:
            One of BROKER_ERRORS.
        """
        await self._connection.subscribe(SESSIONS_REVOKED, self._on_revoked)

    async def revoke(self, user_id: UserId, sign_in_ids: Sequence[str]) -> None:
        """End what rests on these sign-ins, here and everywhere; the store has already forgotten them."""
        if not sign_in_ids:
            return
        self._tell(user_id, sign_in_ids)
        try:
            await self._connection.publish(SESSIONS_REVOKED, _encode(SessionsRevoked(user_id, list(sign_in_ids))))
        except BROKER_ERRORS as error:
            _log.warning("revocation_not_told", user_id=user_id, error=repr(error))

    def _on_revoked(self, payload: bytes) -> None:
        try:
            revoked = _decode(payload)
        except msgspec.DecodeError as error:
            _log.warning("control_message_unreadable", subject=SESSIONS_REVOKED, error=str(error))
            return
        self._tell(revoked.user_id, revoked.sign_in_ids)

    def _tell(self, user_id: UserId, sign_in_ids: Sequence[str]) -> None:
        for listener in self.listeners:
            listener(user_id, sign_in_ids)
