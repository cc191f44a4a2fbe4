"""Whose word counts on who stands behind a proxy, and whose does not."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.guards.proxies import BehindProxies
from services.gateway.settings import networks_in

TRUSTED = networks_in(("10.0.0.0/8", "fd00::/8"))
STRANGER, PROXY, OTHER_PROXY = "203.0.113.9", "10.0.0.1", "10.0.0.2"


def client_of(peer: str, *forwarded: str, trusted: bool = True) -> str:
    """Tell whom the application sees."""
    seen: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["client"][0])

    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    scope = {"type": "http", "client": (peer, 1), "headers": headers}
    asyncio.run(BehindProxies(app, TRUSTED if trusted else ())(scope, None, None))
    return seen[0]


def test_a_trusted_proxy_names_whom_it_speaks_with() -> None:
    assert client_of(PROXY, "198.51.100.4") == "198.51.100.4"
    assert client_of("fd00::1", "2001:db8::5") == "2001:db8::5"


def test_a_stranger_is_believed_nothing() -> None:
    assert client_of(STRANGER, "198.51.100.4") == STRANGER
    assert client_of(PROXY, "198.51.100.4", trusted=False) == PROXY


def test_what_a_client_wrote_before_the_proxy_does_not_count() -> None:
    assert client_of(PROXY, f"198.51.100.4, {STRANGER}") == STRANGER
    assert client_of(PROXY, "198.51.100.4", STRANGER) == STRANGER
    assert client_of(PROXY, f"10.9.9.9, {STRANGER}") == STRANGER, "nor where it claims to be a proxy"


def test_proxies_behind_one_another_are_passed_over() -> None:
    assert client_of(PROXY, f"198.51.100.4, {STRANGER}, {OTHER_PROXY}") == STRANGER
    assert client_of(PROXY, f"10.0.0.3, {OTHER_PROXY}") == "10.0.0.3", "nobody else is there"


@pytest.mark.parametrize("nonsense", ["", " ", ",", "unknown", "_hidden", "1.2.3", "1.2.3.4.5", "[::1", "%00", "é"])
def test_where_the_trusted_part_ends_in_nonsense_the_last_proxy_counts(nonsense: str) -> None:
    assert client_of(PROXY, nonsense) == (PROXY if nonsense != "[::1" else "::1")
    assert client_of(PROXY, f"198.51.100.4, {nonsense}, {OTHER_PROXY}") in {OTHER_PROXY, "::1"}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("203.0.113.9:4711", STRANGER),
        ("[2001:db8::5]:4711", "2001:db8::5"),
        ("2001:db8::5", "2001:db8::5"),
        ("::ffff:203.0.113.9", STRANGER),
    ],
)
def test_addresses_are_read_as_proxies_write_them(written: str, read: str) -> None:
    assert client_of(PROXY, written) == read
    assert client_of("::ffff:10.0.0.1", written) == read, "a proxy that came over a socket for both kinds, too"


@given(st.lists(st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=30), max_size=5))
def test_whatever_a_client_writes_it_is_known_by_its_address(claims: list[str]) -> None:
    assert client_of(PROXY, *claims, STRANGER) == STRANGER
