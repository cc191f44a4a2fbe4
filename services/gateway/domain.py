"""The gateway's own rules as pure functions: names, passwords, who asks from where, how fast."""

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import USERNAME_PATTERN, UserId, Username

SignInKind = Literal["cookie", "token"]

PASSWORD_CHARS = range(8, 129)
DISPLAY_NAME_CHARS = range(1, 65)
SIGN_IN_NAME_CHARS = range(257)
SEARCH_CHARS = range(2, 65)

_is_username = re.compile(USERNAME_PATTERN).fullmatch
# Controls, lone surrogates, line separators; and the marks that turn the direction of what follows them.
_STRIPPED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_DIRECTION_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


@dataclass(frozen=True, slots=True)
class User:
    """An account as others may see it."""

    id: UserId
    username: Username
    display_name: str


@dataclass(frozen=True, slots=True)
class Choices:
    """What a user lets others see: that messages were read, that one types, when one was last there."""

    read_receipts: bool = True
    typing: bool = True
    last_seen: bool = True


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a user and the sign-in (session or token) that proves it, until `expires_at_ms` (Unix)."""

    user_id: UserId
    username: Username
    display_name: str
    sign_in_id: str
    kind: SignInKind
    expires_at_ms: int
    choices: Choices = Choices()


@dataclass(frozen=True, slots=True)
class CookieNames:
    """What the cookies are called, and whether they are for https alone."""

    session: str
    csrf: str
    is_secure: bool


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_s` in the long run, `burst` at once."""

    per_s: float
    burst: float


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket: what was left in it, and when (seconds on a monotonic clock)."""

    tokens: float
    at_s: float


def fold_username(text: str) -> Username | None:
    """Fold a name to lower case; None where no user can have it."""
    folded = text.lower()
    return Username(folded) if _is_username(folded) else None


def username(text: str) -> Username:
    """Take a username for a new account.

    Raises:
        Refusal: `invalid`.
    """
    folded = fold_username(text)
    if folded is None:
        raise _invalid("username", "3 to 32 characters of a-z, 0-9, _ and -")
    return folded


def password(text: str, field: str = "password") -> str:
    """Take a new password: 8 to 128 characters of any kind, as they are.

    Raises:
        Refusal: `invalid`.
    """
    if len(text) not in PASSWORD_CHARS:
        raise _invalid(field, "8 to 128 characters")
    return text


def display_name(text: str) -> str:
    """Take a name for display: 1 to 64 characters after controls and direction marks are stripped.

    Raises:
        Refusal: `invalid`.
    """
    cleaned = _cleaned(text)
    if len(cleaned) not in DISPLAY_NAME_CHARS:
        raise _invalid("display_name", "1 to 64 visible characters")
    return cleaned


def sign_in_name(text: str) -> str:
    """Take what a person calls a session or token, at most 256 characters; "" is fine.

    Raises:
        Refusal: `invalid`.
    """
    cleaned = _cleaned(text)
    if len(cleaned) not in SIGN_IN_NAME_CHARS:
        raise _invalid("name", "at most 256 characters")
    return cleaned


def words_of(username: Username, display_name: str) -> frozenset[str]:
    """List what a user is found by: the username and the words of the name for display, case-folded."""
    return frozenset((username, *display_name.casefold().split()))


def search_words(text: str) -> tuple[str, ...]:
    """Take what somebody searches people by: the beginnings of words, case-folded, one of 2 characters at least.

    Raises:
        Refusal: `invalid`.
    """
    cleaned = _cleaned(text)
    words = tuple(dict.fromkeys(cleaned.casefold().split()))
    if "\0" in text or len(cleaned) not in SEARCH_CHARS or max(map(len, words)) < SEARCH_CHARS.start:
        raise _invalid("q", "2 to 64 characters, the beginning of a username or of words of a name")
    return words


def time_ordered_id(now_ms: int, random: bytes) -> str:
    """Make an id that sorts by time: 32 hex digits laid out as a UUID version 7 (RFC 9562) from 10 random bytes."""
    low = int.from_bytes(random[:10], "big")
    rand_a, rand_b = low >> 62 & 0xFFF, low & (1 << 62) - 1
    return f"{(now_ms & (1 << 48) - 1) << 80 | 0x7 << 76 | rand_a << 64 | 0b10 << 62 | rand_b:032x}"


def is_allowed_origin(origin: str | None, allowed: frozenset[str], *, required: bool) -> bool:
    """Compare an `Origin` exactly; where there is none, it depends on whether one is required."""
    return not required if origin is None else origin in allowed


def cookie_names(*, is_https: bool) -> CookieNames:
    """Name the cookies; under https a `__Host-` in front binds them to this very host (RFC 6265bis)."""
    prefix = "__Host-" if is_https else ""
    return CookieNames(session=f"{prefix}session", csrf=f"{prefix}csrftoken", is_secure=is_https)


def network_of(address: str) -> str:
    """Tell who shares an address for rate limits: an IPv4 address itself, an IPv6 address's /64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def full_bucket(rate: Rate, now_s: float) -> Bucket:
    """Fill a bucket that nobody took from yet."""
    return Bucket(rate.burst, now_s)


def take(bucket: Bucket, rate: Rate, now_s: float, cost: float = 1.0) -> tuple[Bucket, timedelta | None]:
    """Take from a bucket; where too little is in it, it stays as it is and the wait is told."""
    tokens = min(rate.burst, bucket.tokens + max(0.0, now_s - bucket.at_s) * rate.per_s)
    if tokens >= cost:
        return Bucket(tokens - cost, now_s), None
    return Bucket(tokens, now_s), timedelta(seconds=(cost - tokens) / rate.per_s)


def give_back(bucket: Bucket, rate: Rate, cost: float = 1.0) -> Bucket:
    """Undo a `take`."""
    return Bucket(min(rate.burst, bucket.tokens + cost), bucket.at_s)


def _cleaned(text: str) -> str:
    kept = (
        " " if character.isspace() else character
        for character in unicodedata.normalize("NFC", text)
        if character.isspace()
        or (unicodedata.category(character) not in _STRIPPED_CATEGORIES and character not in _DIRECTION_MARKS)
    )
    return " ".join("".join(kept).split())


def _invalid(field: str, expected: str) -> Refusal:
    return Refusal(Code.INVALID, f"{field} must be {expected}.", fields={field: f"must be {expected}"})
