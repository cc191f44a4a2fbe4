"""Finding people by the beginnings of their names, on both databases."""

import secrets
from collections.abc import AsyncIterator, Mapping

import httpx
import pytest
import sqlalchemy as sa

from services.gateway.domain import User, search_words, words_of
from services.gateway.store import Accounts, SignIn, hash_secret
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import UserId, Username
from shared.database.engine import open_engine
from shared.database.tables import account, account_word
from shared.runtime.clock import now_ms
from tests.support.gateway import PASSWORD, RunningGateway, prepared_gateway, problem_of

USERS = "/api/v1/users"
HOUR_MS = 3_600_000


@pytest.fixture
async def gateway(database_url: str, nats_url: str) -> AsyncIterator[RunningGateway]:
    async with prepared_gateway(database_url, nats_url) as running:
        yield running


async def settle(gateway: RunningGateway, people: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Make accounts by username and name; returns the headers that each signs in with."""
    users = [User(UserId(secrets.token_hex(8)), Username(name), shown) for name, shown in people.items()]
    tokens = {user.username: secrets.token_urlsafe(24) for user in users}
    until_ms = now_ms() + HOUR_MS
    sign_ins = [
        SignIn(secrets.token_hex(8), user.id, "token", hash_secret(tokens[user.username]), "", 0, until_ms)
        for user in users
    ]
    async with Accounts(gateway.settings.database_url) as accounts:
        assert await accounts.add_with_tokens(users, sign_ins, now_ms())
    return {name: {"authorization": f"Bearer {token}"} for name, token in tokens.items()}


async def execute(gateway: RunningGateway, statement: sa.Executable) -> None:
    engine = open_engine(gateway.settings.database_url, "writer")
    try:
        async with engine.begin() as connection:
            await connection.execute(statement)
    finally:
        await engine.dispose()


def names(found: httpx.Response) -> list[str]:
    assert found.status_code == 200, found.text
    return [item["username"] for item in found.json()["items"]]


async def test_people_are_found_by_the_beginnings_of_their_names(gateway: RunningGateway) -> None:
    people = {
        "ann": "Ann Smith",
        "annika": "Nika",
        "joanna": "Joanna Annabel Fox",
        "ben": "Bénédict Ångström",
        "carl_x": "Straße Ünal",
        "zoe": "Zoë",
    }
    zoe = (await settle(gateway, people))["zoe"]
    expected = {
        "ann": ["ann", "annika", "joanna"],
        "AnN": ["ann", "annika", "joanna"],
        "annik": ["annika"],
        "annabel fo": ["joanna"],
        "fo joa": ["joanna"],
        "ann fox": ["joanna"],
        "bénéd": ["ben"],
        "bene\u0301d": [],  # other letters than é, until they are composed:
        "be\u0301ne\u0301d": ["ben"],
        "ångs": ["ben"],
        "STRASSE ü": ["carl_x"],
        "carl_": ["carl_x"],
        "carlxx": [],
        "%n": [],
        "zoe": [],
        "zoë": [],
    }
    async with gateway.browser() as browser:
        for asked, found in expected.items():
            assert names(await browser.get(USERS, params={"q": asked}, headers=zoe)) == found, asked
        one = (await browser.get(USERS, params={"q": "annabel"}, headers=zoe)).json()
        shown = {"username": "joanna", "display_name": "Joanna Annabel Fox"}
        assert one == {"items": [shown], "next": None, "prev": None}


async def test_the_very_name_comes_first_then_names_that_begin_so_then_the_others(gateway: RunningGateway) -> None:
    people = {"max-2": "M", "max_1": "M", "max0": "M", "adam": "Adam Max", "max": "Max", "zed": "Maximilian"}
    asker = (await settle(gateway, people | {"asker": "A"}))["asker"]
    async with gateway.browser() as browser:
        found = names(await browser.get(USERS, params={"q": "max"}, headers=asker))
        assert found == ["max", "max-2", "max0", "max_1", "adam", "zed"]


async def test_a_long_list_of_found_people_goes_on_page_by_page(gateway: RunningGateway) -> None:
    people = {f"sam-{number:02}": "Sam" for number in range(30)} | {f"x{number:02}": "Sam X" for number in range(15)}
    asker = (await settle(gateway, people | {"asker": "A"}))["asker"]
    found: list[str] = []
    sizes = []
    async with gateway.browser() as browser:
        page = await browser.get(USERS, params={"q": "sam"}, headers=asker)
        while True:
            sizes.append(len(names(page)))
            found += names(page)
            on = page.json()["next"]
            if on is None:
                assert "link" not in page.headers
                break
            assert page.links["next"]["url"].startswith(f"{USERS}?q=sam&cursor=")
            page = await browser.get(page.links["next"]["url"], headers=asker)
        wrong = await browser.get(USERS, params={"q": "sam", "cursor": "nonsense"}, headers=asker)
        assert list(problem_of(wrong, 400, "invalid")["errors"]) == ["cursor"]
    assert sizes == [20, 20, 5]
    assert found == sorted(people)


async def test_neither_oneself_nor_a_disabled_account_is_found(gateway: RunningGateway) -> None:
    signed_in = await settle(gateway, {"pia": "Pia", "pia-2": "Pia", "pia-3": "Pia"})
    await execute(gateway, sa.update(account).where(account.c.username == "pia-3").values(disabled_at_ms=1))
    async with gateway.browser() as browser:
        assert names(await browser.get(USERS, params={"q": "pia"}, headers=signed_in["pia"])) == ["pia-2"]
        assert names(await browser.get(USERS, params={"q": "pia"}, headers=signed_in["pia-2"])) == ["pia"]
        problem_of(await browser.get(USERS, params={"q": "pia"}, headers=signed_in["pia-3"]), 401, "unauthenticated")
        problem_of(await browser.get(USERS, params={"q": "pia"}), 401, "unauthenticated")


async def test_a_search_needs_two_characters(gateway: RunningGateway) -> None:
    asker = (await settle(gateway, {"asker": "A"}))["asker"]
    async with gateway.browser() as browser:
        for wrong in ("", " ", "a", " a ", "\u202ea", "ask\u0000", "a b", "x" * 65):
            refused = await browser.get(USERS, params={"q": wrong}, headers=asker)
            assert list(problem_of(refused, 400, "invalid")["errors"]) == ["q"], wrong
        assert "parameter 'q'" in problem_of(await browser.get(USERS, headers=asker), 400, "invalid")["detail"]
        assert names(await browser.get(USERS, params={"q": "\U0010ffff\U0010ffff"}, headers=asker)) == []
        assert names(await browser.get(USERS, params={"q": "x" * 64}, headers=asker)) == []


async def test_more_than_thirty_searches_at_once_are_too_many(gateway: RunningGateway) -> None:
    signed_in = await settle(gateway, {"ann": "Ann", "ben": "Ben"})
    async with gateway.browser() as browser:
        answers = [await browser.get(USERS, params={"q": "be"}, headers=signed_in["ann"]) for _ in range(35)]
        assert [answer.status_code for answer in answers[:30]] == [200] * 30
        problem_of(answers[-1], 429, "rate_limited")
        assert names(await browser.get(USERS, params={"q": "an"}, headers=signed_in["ben"])) == ["ann"]


async def test_who_registers_is_found_at_once_and_by_a_new_name_alone_after_a_change(gateway: RunningGateway) -> None:
    asker = (await settle(gateway, {"asker": "A"}))["asker"]
    async with gateway.browser() as browser:
        registering = {"username": "rosa", "password": PASSWORD, "display_name": "Rosa Rosa Luz"}
        registered = await browser.post("/api/v1/auth/register", json=registering)
        csrf = {"x-csrftoken": registered.json()["csrf_token"]}
        assert names(await browser.get(USERS, params={"q": "luz"}, headers=asker)) == ["rosa"]
        changed = await browser.patch("/api/v1/me", json={"display_name": "Zita Rosa"}, headers=csrf)
        assert changed.status_code == 200
        assert names(await browser.get(USERS, params={"q": "luz"}, headers=asker)) == []
        assert names(await browser.get(USERS, params={"q": "rosa zita"}, headers=asker)) == ["rosa"]
        me = {"username": "rosa", "display_name": "Zita Rosa"}
        assert (await browser.get(f"{USERS}/ROSA", headers=asker)).json() == me


async def test_somebody_is_looked_up_by_username(gateway: RunningGateway) -> None:
    signed_in = await settle(gateway, {"ann": "Ann Smith", "ben": "Ben"})
    async with gateway.browser() as browser:
        found = await browser.get(f"{USERS}/ann", headers=signed_in["ben"])
        assert found.json() == {"username": "ann", "display_name": "Ann Smith"}
        for nobody in ("nobody", "x", "not.a.name"):
            problem_of(await browser.get(f"{USERS}/{nobody}", headers=signed_in["ben"]), 404, "not_found")
        problem_of(await browser.get(f"{USERS}/ann"), 401, "unauthenticated")


async def test_a_search_reads_a_range_of_an_index(gateway: RunningGateway) -> None:
    """A prefix of one name among many touches a few rows of the words, and the accounts by their keys."""
    many = [{"word": f"word-{number:06}", "user_id": f"u{number}"} for number in range(20_000)]
    engine = open_engine(gateway.settings.database_url, "writer")
    begins = account_word.c.word >= "word-0123", account_word.c.word < "word-0123\U0010ffff"
    question = sa.select(account.c.username).where(account.c.id.in_(sa.select(account_word.c.user_id).where(*begins)))
    try:
        async with engine.begin() as connection:
            await connection.execute(sa.insert(account_word), many)
        async with engine.connect() as connection:
            is_sqlite = connection.dialect.name == "sqlite"
            written = str(question.compile(connection.sync_engine, compile_kwargs={"literal_binds": True}))
            explain = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN "
            if not is_sqlite:
                await connection.exec_driver_sql("ANALYZE account_word")
            plan = "\n".join(map(str, (await connection.exec_driver_sql(explain + written)).all()))
    finally:
        await engine.dispose()
    if is_sqlite:
        assert "SEARCH account_word USING PRIMARY KEY (word>? AND word<?)" in plan
    else:
        assert "pk_account_word" in plan
        assert "Seq Scan on account_word" not in plan


def test_words_are_folded_and_stand_once() -> None:
    assert words_of(Username("ann"), "Ann ANN Straße") == {"ann", "strasse"}
    assert search_words("  Ann\u202e  STRASSE ann ") == ("ann", "strasse")
    for wrong in ("", "a", "a b c", "y" * 65):
        with pytest.raises(Refusal) as refused:
            search_words(wrong)
        assert refused.value.code is Code.INVALID
