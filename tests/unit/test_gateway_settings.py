"""The gateway's settings: whose pages may ask, and the limits as clients are told them."""

import pytest

from services.gateway.settings import Settings
from shared.runtime.settings import SettingsError, from_env

DATABASE = {"PARLEY_DATABASE_URL": "sqlite+aiosqlite:///x"}


def settings(**environ: str) -> Settings:
    return from_env(Settings, DATABASE | {f"PARLEY_{name}": value for name, value in environ.items()})


def test_without_a_public_url_only_pages_of_this_machine_may_ask() -> None:
    assert settings(HTTP_PORT="9000").allowed_origins == {"http://127.0.0.1:9000", "http://localhost:9000"}
    assert not settings().is_https


def test_the_origin_of_the_public_url_may_ask_unless_others_are_named() -> None:
    public = settings(PUBLIC_URL="https://chat.example/app")
    assert public.is_https
    assert public.allowed_origins == {"https://chat.example"}
    named = settings(PUBLIC_URL="https://chat.example", ORIGINS="https://a.example, https://b.example:444")
    assert named.allowed_origins == {"https://a.example", "https://b.example:444"}


def test_the_limits_are_those_of_the_protocol_page() -> None:
    assert settings().limits() == {
        "frame_bytes": 131_072,
        "content_chars": 8_000,
        "messages_per_s": 5,
        "messages_burst": 20,
        "receipts_per_s": 3,
        "typing_s": 3,
        "frames_per_s": 20,
        "frames_burst": 60,
        "sockets_per_user": 10,
        "typing_members": 100,
    }
    assert settings(LIMIT_CONTENT_CHARS="99", RATE_LIMITS="off").limits()["content_chars"] == 99


def test_proxies_are_trusted_by_network_and_nobody_is_by_default() -> None:
    assert settings().trusted_networks == ()
    named = settings(TRUSTED_PROXIES="10.1.0.0/16, fd00::/8,192.0.2.7").trusted_networks
    assert [str(network) for network in named] == ["10.1.0.0/16", "fd00::/8", "192.0.2.7/32"]
    with pytest.raises(SettingsError, match=r"10\.0\.0\.0/8"):
        settings(TRUSTED_PROXIES="everybody")


def test_a_password_hash_below_the_accepted_minimum_cannot_be_set() -> None:
    with pytest.raises(SettingsError) as refused:
        settings(ARGON2_MEMORY_KIB="1024", ARGON2_TIME_COST="1", REGISTRATION="perhaps")
    assert len(refused.value.problems) == 3
