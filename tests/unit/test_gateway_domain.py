"""The gateway's pure rules: names, passwords, ids, origins, addresses, buckets."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway import domain
from services.gateway.domain import Bucket, Rate
from shared.contracts.errors import Code, Refusal


@pytest.mark.parametrize("text", ["ann", "a_b-c", "0" * 32, "ANN", "\u212aann"])
def test_a_username_is_folded_to_lower_case(text: str) -> None:
    assert domain.username(text) == text.lower()


@pytest.mark.parametrize("text", ["", "ab", "a" * 33, "a.b", "a b", "änn", "ann\n", "a\0b"])
def test_what_cannot_be_a_username_is_refused_with_its_field(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        domain.username(text)
    assert refused.value.code is Code.INVALID
    assert refused.value.fields is not None
    assert list(refused.value.fields) == ["username"]


@pytest.mark.parametrize(
    ("length", "is_fine"), [(0, False), (7, False), (8, True), (64, True), (128, True), (129, False)]
)
def test_a_password_has_8_to_128_characters_of_any_kind(length: int, *, is_fine: bool) -> None:
    for character in ("x", "ü", "🙂", " ", "\0"):
        if is_fine:
            assert domain.password(character * length) == character * length
        else:
            with pytest.raises(Refusal):
                domain.password(character * length)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ann", "Ann"),
        ("  Ann \t Bo\n", "Ann Bo"),
        ("A\u202enn", "Ann"),
        ("A\x00n\x1bn", "Ann"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("e\u0301", "é"),
        ("אנה", "אנה"),
    ],
)
def test_a_display_name_loses_what_cannot_be_seen(text: str, shown: str) -> None:
    assert domain.display_name(text) == shown


@pytest.mark.parametrize("text", ["", "   ", "\u202e\u202e", "\0", "x" * 65])
def test_a_display_name_that_shows_nothing_or_too_much_is_refused(text: str) -> None:
    with pytest.raises(Refusal):
        domain.display_name(text)


@given(st.text())
def test_a_display_name_stays_as_it_is_when_cleaned_twice(text: str) -> None:
    try:
        once = domain.display_name(text)
    except Refusal:
        return
    assert domain.display_name(once) == once
    assert not any(ord(character) < 32 for character in once)


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_ids_sort_by_time_and_are_version_7(now_ms: int, random: bytes) -> None:
    made = domain.time_ordered_id(now_ms, random)
    assert re.fullmatch(r"[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}", made)
    assert int(made[:12], 16) == now_ms
    assert domain.time_ordered_id(min(now_ms + 1, 2**48 - 1), random) >= made


OWN = frozenset({"https://chat.example"})


@pytest.mark.parametrize(
    "origin",
    [
        "null", "", "https://chat.example.evil", "https://evil.example", "http://chat.example",
        "https://chat.example:444", "https://CHAT.example", "https://chat.example/", "https://chat.example\n",
    ],
)  # fmt: skip
def test_an_origin_must_be_exactly_one_of_ours(origin: str) -> None:
    assert not domain.is_allowed_origin(origin, OWN, required=False)


def test_without_an_origin_it_depends_on_whether_one_is_required() -> None:
    assert domain.is_allowed_origin(None, OWN, required=False)
    assert not domain.is_allowed_origin(None, OWN, required=True)
    assert domain.is_allowed_origin("https://chat.example", OWN, required=True)


def test_cookies_are_bound_to_the_host_under_https_alone() -> None:
    assert domain.cookie_names(is_https=True) == domain.CookieNames(
        "__Host-session", "__Host-csrftoken", is_secure=True
    )
    assert domain.cookie_names(is_https=False) == domain.CookieNames("session", "csrftoken", is_secure=False)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
    ],
)
def test_an_ipv6_site_counts_as_one_address(address: str, network: str) -> None:
    assert domain.network_of(address) == network


RATE = Rate(per_s=2, burst=3)


def test_a_full_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = domain.full_bucket(RATE, 100.0)
    for _ in range(3):
        bucket, wait = domain.take(bucket, RATE, 100.0)
        assert wait is None
    bucket, wait = domain.take(bucket, RATE, 100.0)
    assert wait == timedelta(seconds=0.5)
    bucket, wait = domain.take(bucket, RATE, 100.5)
    assert wait is None


def test_what_is_given_back_can_be_taken_again_but_never_overflows() -> None:
    bucket, _ = domain.take(domain.full_bucket(RATE, 0.0), RATE, 0.0)
    assert domain.give_back(bucket, RATE) == Bucket(3, 0.0)
    assert domain.give_back(domain.give_back(bucket, RATE), RATE) == Bucket(3, 0.0)


@given(st.lists(st.floats(0, 10), max_size=200))
def test_no_pattern_of_asking_gets_more_than_burst_and_rate_allow(pauses: list[float]) -> None:
    bucket, now_s, taken = domain.full_bucket(RATE, 0.0), 0.0, 0
    for pause in pauses:
        now_s += pause
        bucket, wait = domain.take(bucket, RATE, now_s)
        taken += wait is None
    assert taken <= RATE.burst + RATE.per_s * now_s + 1e-6
