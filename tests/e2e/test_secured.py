"""The whole system in front of a broker that lets each service do only what it needs."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from deploy.cli.secret_files import USERS
from deploy.nats.keys import new_seed
from deploy.nats.permissions import ROLES, Role
from shared.broker.access import Access
from shared.broker.connection import Connection
from shared.contracts import subjects
from tests.support.processes import SERVICES
from tests.support.secured import SecuredSystem


@pytest.fixture
def system(tmp_path: Path, sqlite_url: str) -> Iterator[SecuredSystem]:
    with SecuredSystem(tmp_path, sqlite_url) as running:
        yield running


@pytest.mark.timeout(240)
def test_every_promise_of_the_page_holds_and_nobody_needs_more_than_he_may(system: SecuredSystem) -> None:
    system.smoke()
    assert complaints(system) == []


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", SERVICES)
def test_a_service_with_a_wrong_key_says_so_and_waits_to_be_let_in(tmp_path: Path, sqlite_url: str, name: str) -> None:
    system = SecuredSystem(tmp_path, sqlite_url)
    service, seed = system.services[name], new_seed()
    service.environ = {**service.environ, "PARLEY_NATS_NKEY": seed, "PARLEY_NATS_NKEY_FILE": ""}
    system.broker.start()
    try:
        system.parley("migrate")
        service.start()
        service.wait_said("broker_refuses_key")
        assert not service.has_ended_within(3.0)
        assert not service.is_ready()
        assert service.said.count("broker_refuses_key") == 1  # it is tried again and again, and said once
        assert seed not in service.said

        system.installation.key_file(role_of(name)).write_text(seed)
        system.installation.files.refresh()
        system.broker.reload()
        if name == "gateway":  # it is ready only with the others
            service.wait_said("gateway_ready")
        else:
            service.wait_ready()
    finally:
        system.stop()


@pytest.mark.timeout(120)
def test_a_key_that_was_rotated_shuts_out_the_old_one_and_lets_in_the_new_one(system: SecuredSystem) -> None:
    gateway, others = system.services["gateway"], [system.services[name] for name in SERVICES[1:]]
    pids = [other.pid for other in others]
    said = system.parley("init", "--dir", str(system.installation.secrets), "--rotate", "nats_gateway", "--json")
    assert json.loads(said)["made"] == ["nats_gateway.nk", USERS]
    assert gateway.is_ready()  # nothing happens before the broker has heard of it

    system.broker.reload()
    assert gateway.ended(within_s=20) == 0
    assert "broker_shut_out" in gateway.said
    assert '"draining"' in gateway.said
    gateway.start()
    gateway.wait_ready()
    system.smoke("--only", "messages:")
    assert [other.pid for other in others] == pids
    assert all(other.is_ready() for other in others)


@pytest.mark.timeout(180)
def test_keys_that_were_rotated_while_the_broker_was_away_end_the_services_too(system: SecuredSystem) -> None:
    system.broker.kill()
    system.parley("init", "--dir", str(system.installation.secrets), "--rotate", "all")
    system.broker.start()
    for service in system.services.values():
        assert service.ended(within_s=40) == 0, service.name
    for service in system.services.values():
        service.start()
    for service in system.services.values():
        service.wait_ready(60)
    system.smoke("--only", "messages:")


@pytest.mark.timeout(240)
def test_what_happens_seldom_is_allowed_too(tmp_path: Path, sqlite_url: str) -> None:
    with SecuredSystem(tmp_path, sqlite_url, {"PARLEY_LOG_MAX_BYTES": str(1024**2)}) as system:
        # what can't be applied is buried, and the log is trimmed before it is full
        asyncio.run(publish_nonsense(system.installation.access("operator"), bundles=100))
        delivery = system.services["delivery"]
        delivery.wait_said("log_trimmed")
        letters = json.loads(system.parley("dead-letters", "list", "--json"))
        assert letters
        system.parley("dead-letters", "retry", str(letters[0]["number"]))
        system.parley("dead-letters", "drop", str(letters[1]["number"]), "--yes")
        left = {letter["number"] for letter in json.loads(system.parley("dead-letters", "list", "--json"))}
        assert not left & {letters[0]["number"], letters[1]["number"]}

        # a broker that comes back has lost what was in memory
        system.broker.kill()
        presence = system.services["presence"]
        presence.wait_said("broker_disconnected")
        system.broker.start()
        for service in system.services.values():
            service.wait_ready(60)
        for bucket in ("KV_presence", "KV_leases"):
            assert f'"stream": "{bucket}"' in presence.said
        system.smoke("--only", "presence:")
        system.smoke("--only", "retries closed: what arrives")
        system.parley("queue", "list", "--json")
        system.parley("queue", "process")
        system.parley("migrate", "--check")
        system.parley("restore", "--accept-gap", "--yes")
        assert complaints(system) == []


async def publish_nonsense(operator: Access, bundles: int) -> None:
    """Append commands to the log that nobody can read."""
    connection = Connection(operator, "tests")
    await connection.open()
    try:
        for number in range(bundles):
            bundle = msgspec.msgpack.encode([f"nonsense {number} {'x' * 8000}"])
            await connection.jetstream().publish(subjects.log(0), bundle)
    finally:
        await connection.close()


def role_of(name: str) -> Role:
    """The role of a service."""
    return next(role for role in ROLES if role == name)


def complaints(system: SecuredSystem) -> list[str]:
    """Every line about something that somebody may not do."""
    return [
        f"{name}: {line}"
        for name, said in system.logs().items()
        for line in said.splitlines()
        if "permissions violation" in line.lower() or " violation " in line.lower()
    ]
