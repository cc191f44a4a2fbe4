"""What an operator may set about the gateway: the only reader of its environment."""

import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

from shared.broker.access import BrokerSettings
from shared.contracts.retries import RetrySettings
from shared.runtime.settings import ProcessSettings, from_env
from shared.runtime.telemetry import TraceSettings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_LIMIT = "limit_"


def _at_least(default: int, low: int, high: int | None = None) -> Any:
    return field(default=default, metadata={"min": low} | ({} if high is None else {"max": high}))


def networks_in(texts: Iterable[str]) -> tuple[Network, ...]:
    """Read networks as an operator writes them.

    Raises:
        ValueError: one is none; the text says what to write.
    """
    try:
        return tuple(ipaddress.ip_network(text) for text in texts)
    except ValueError as error:
        problem = f"networks in CIDR notation, such as 10.0.0.0/8, separated by commas ({error})"
        raise ValueError(problem) from None


@dataclass(frozen=True, kw_only=True)
class Settings(ProcessSettings, BrokerSettings, RetrySettings, TraceSettings):
    """The gateway's settings; each is `PARLEY_` and its name in capitals.

    `public_url`: where people reach this gateway; https turns on `Secure` and `__Host-`. `origins`: the web pages
    that may call it, exactly as a browser writes them. `trusted_proxies`: networks whose word counts on who stands
    behind them; without any, an address is that of the connection. `rate_limits` off is for load tests only. The
    argon2 bounds are OWASP's minimum. Limits are those of the protocol page, section 3.
    """

    database_url: str = field(repr=False, metadata={"secret": True})
    public_url: str = ""
    origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = field(default=(), metadata={"check": networks_in})
    registration: Literal["open", "invite", "closed"] = "open"
    rate_limits: bool = True
    announce_shards: int = _at_least(1, 1)

    session_days: int = _at_least(30, 1)
    session_idle_days: int = _at_least(14, 1)
    token_days: int = _at_least(90, 1)

    argon2_threads: int = _at_least(2, 1, 64)
    argon2_waiting: int = _at_least(64, 1)
    argon2_time_cost: int = _at_least(2, 2)
    argon2_memory_kib: int = _at_least(32_768, 19_456)

    limit_frame_bytes: int = _at_least(131_072, 1_024)
    limit_content_chars: int = _at_least(8_000, 1, 60_000)
    limit_messages_per_s: int = _at_least(5, 1)
    limit_messages_burst: int = _at_least(20, 1)
    limit_receipts_per_s: int = _at_least(3, 1)
    limit_typing_s: int = _at_least(3, 0)
    limit_frames_per_s: int = _at_least(20, 1)
    limit_frames_burst: int = _at_least(60, 1)
    limit_sockets_per_user: int = _at_least(10, 1)
    limit_typing_members: int = _at_least(100, 1)

    @property
    def is_https(self) -> bool:
        """Whether people reach the gateway over TLS."""
        return urlsplit(self.public_url).scheme == "https"

    @property
    def allowed_origins(self) -> frozenset[str]:
        """The origins whose pages may act for a user: those set, else the public URL's, else this machine's."""
        if self.origins:
            return frozenset(self.origins)
        if self.public_url:
            parts = urlsplit(self.public_url)
            return frozenset({f"{parts.scheme}://{parts.netloc}"})
        return frozenset(f"http://{host}:{self.http_port}" for host in ("127.0.0.1", "localhost"))

    @property
    def trusted_networks(self) -> tuple[Network, ...]:
        """The networks of the trusted proxies."""
        return networks_in(self.trusted_proxies)

    @property
    def session_life(self) -> timedelta:
        """How long a browser stays signed in, however busy."""
        return timedelta(days=self.session_days)

    @property
    def session_idle(self) -> timedelta:
        """How long a browser may stay away and still be signed in."""
        return timedelta(days=self.session_idle_days)

    @property
    def token_life(self) -> timedelta:
        """How long a bearer token works."""
        return timedelta(days=self.token_days)

    def limits(self) -> dict[str, int]:
        """Return the limits as `welcome` tells them: `frame_bytes`, `content_chars` and so on."""
        return {name.removeprefix(_LIMIT): value for name, value in vars(self).items() if name.startswith(_LIMIT)}


def load() -> Settings:
    """Read the settings of this process.

    Raises:
        SettingsError: with everything that is wrong.
    """
    return from_env(Settings, os.environ)
