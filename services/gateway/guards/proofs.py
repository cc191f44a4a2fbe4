"""What a secret proves, remembered for a minute: a request costs no question to the store."""

import contextlib
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from services.gateway.domain import Principal, SignInKind
from services.gateway.store import USED_EVERY_MS, Accounts, Proof, hash_secret
from shared.contracts.errors import Refusal
from shared.contracts.ids import UserId
from shared.runtime import clock
from shared.runtime.metrics import Metrics

KEPT_MS: Final = 60_000
MAX_KEPT: Final = 10_000


class Proofs:
    """The sign-ins seen lately. `forget` what ended, at once and on every gateway."""

    def __init__(self, accounts: Accounts, metrics: Metrics, *, session_idle: timedelta) -> None:
        self._accounts = accounts
        self._idle_ms = int(session_idle.total_seconds() * 1000)
        self._kept: dict[bytes, tuple[Proof, int]] = {}
        self._ended: dict[str, int] = {}
        self._forgotten = 0
        metrics.bounded(
            "proofs_kept",
            "Secrets of which is remembered what they prove.",
            limit=MAX_KEPT,
            now=lambda: len(self._kept),
            kind="cache",
        )

    async def prove(self, secret: str, kind: SignInKind) -> Principal | None:
        """Tell whose session or token this is; None where it is nobody's, or over.

        Raises:
            Refusal: `unavailable`.
        """
        now_ms = clock.now_ms()
        secret_hash = hash_secret(secret)
        proof, until_ms = self._kept.get(secret_hash, (None, 0))
        if proof is None or until_ms <= now_ms:
            forgotten = self._forgotten
            proof = await self._accounts.proof_of(secret_hash)
            if proof is None:
                return None
            if forgotten == self._forgotten:  # else it may be older than what was forgotten meanwhile
                self._keep(secret_hash, proof, now_ms)
        if proof.principal.kind != kind:
            return None
        return await self._used(secret_hash, proof, now_ms)

    async def redeem(self, ticket: str) -> Principal | None:
        """Tell whose ticket this is, and use it up.

        Raises:
            Refusal: `unavailable`.
        """
        now_ms = clock.now_ms()
        proof = await self._accounts.redeem_ticket(hash_secret(ticket), now_ms)
        return None if proof is None or self._is_over(proof, now_ms) else proof.principal

    def forget(self, user_id: UserId, ended: Iterable[str] = ()) -> None:
        """Ask the store anew about a user; `ended` sign-ins are over, even where an answer is under way."""
        until_ms = clock.now_ms() + KEPT_MS
        self._ended |= dict.fromkeys(ended, until_ms)
        self._forgotten += 1
        self._kept = {key: kept for key, kept in self._kept.items() if kept[0].principal.user_id != user_id}

    def forget_all(self) -> None:
        """Ask the store anew about everybody: what ended elsewhere may not have been heard."""
        self._forgotten += 1
        self._kept = {}

    def _keep(self, secret_hash: bytes, proof: Proof, now_ms: int) -> None:
        self._kept.pop(secret_hash, None)
        self._kept[secret_hash] = proof, now_ms + KEPT_MS
        while len(self._kept) > MAX_KEPT:
            del self._kept[next(iter(self._kept))]

    async def _used(self, secret_hash: bytes, proof: Proof, now_ms: int) -> Principal | None:
        if self._is_over(proof, now_ms):
            return None
        if now_ms - proof.last_used_at_ms >= USED_EVERY_MS:
            if secret_hash in self._kept:
                self._keep(secret_hash, proof._replace(last_used_at_ms=now_ms), now_ms)
            with contextlib.suppress(Refusal):  # it is only for the list of sessions
                await self._accounts.note_use(proof.principal.sign_in_id, now_ms)
        return proof.principal

    def _is_over(self, proof: Proof, now_ms: int) -> bool:
        principal = proof.principal
        for sign_in_id, until_ms in list(self._ended.items()):
            if until_ms > now_ms:
                break
            del self._ended[sign_in_id]
        is_idle = principal.kind == "cookie" and now_ms - proof.last_used_at_ms > self._idle_ms
        return is_idle or principal.expires_at_ms <= now_ms or principal.sign_in_id in self._ended
