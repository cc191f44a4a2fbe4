"""One's own name for display and choices: changed in the store, then told to every gateway and to presence."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Final

import msgspec

from services.gateway import domain
from services.gateway.domain import Choices, Principal
from services.gateway.store import Accounts
from shared.broker.connection import BROKER_ERRORS, Connection
from shared.broker.rpc import ask
from shared.contracts.errors import Code, Refusal
from shared.contracts.events import AccountChanged
from shared.contracts.presence import PresenceSet, SetPresence
from shared.contracts.subjects import ACCOUNT_CHANGED, SET_PRESENCE
from shared.runtime import logs

PRESENCE_S: Final = 1.0
"""How long presence may take to hear of a choice; it learns it at the user's next connect anyway."""

OnChanged = Callable[[AccountChanged], None]

_log = logs.get(__name__)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AccountChanged).decode


class Profiles:
    """One per gateway; `listeners` are called here at once, and on every other gateway when it hears of it."""

    def __init__(self, connection: Connection, accounts: Accounts) -> None:
        self._connection = connection
        self._accounts = accounts
        self.listeners: list[OnChanged] = []

    async def listen(self) -> None:
        """Hear what is changed at other gateways.

        Raises:
            One of BROKER_ERRORS.
        """
        await self._connection.subscribe(ACCOUNT_CHANGED, self._on_changed)

    async def change(self, who: Principal, display_name: str | None, choices: Mapping[str, bool]) -> Principal:
        """Change what is given (choices by the names of `Choices`), and leave the rest; returns who it is then.

        Raises:
            Refusal: `invalid` for the name; `unauthenticated` where the account is gone; `unavailable`.
        """
        shown = None if display_name is None else domain.display_name(display_name)
        kept = await self._accounts.change_profile(who.user_id, display_name=shown, choices=choices)
        if kept is None:
            raise Refusal(Code.UNAUTHENTICATED, "Sign in first.")
        if shown is not None or choices:
            changed = AccountChanged(who.user_id, who.username, kept.user.display_name, **asdict(kept.choices))
            await self._tell(changed)
        if "last_seen" in choices:
            await self._tell_presence(who, kept.choices)
        return replace(who, display_name=kept.user.display_name, choices=kept.choices)

    async def _tell(self, changed: AccountChanged) -> None:
        self._on_account_changed(changed)
        try:
            await self._connection.publish(ACCOUNT_CHANGED, _encode(changed))
        except BROKER_ERRORS as error:
            _log.warning("account_change_not_told", user_id=changed.user_id, error=repr(error))

    async def _tell_presence(self, who: Principal, choices: Choices) -> None:
        wish = SetPresence(who.user_id, shows_last_seen=choices.last_seen)
        try:
            await ask(self._connection, SET_PRESENCE, wish, PresenceSet, timeout_s=PRESENCE_S)
        except Refusal as refusal:
            _log.info("presence_not_told", user_id=who.user_id, reason=refusal.detail)

    def _on_changed(self, payload: bytes) -> None:
        try:
            changed = _decode(payload)
        except msgspec.DecodeError as error:
            _log.warning("control_message_unreadable", subject=ACCOUNT_CHANGED, error=str(error))
            return
        self._on_account_changed(changed)

    def _on_account_changed(self, changed: AccountChanged) -> None:
        for listener in self.listeners:
            listener(changed)
