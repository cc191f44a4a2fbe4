"""`parley init`: secrets that are made once, each at random, and made anew one by one."""

import json
import re
import stat
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deploy.cli.main import main
from deploy.cli.secret_files import KEYS, NAMES
from deploy.nats.keys import public_key

SECRETS = {
    *(f"{name}.nk" for name in KEYS),
    "nats_cluster.conf",
    "postgres_password",
    "database_url",
    "grafana_password",
}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    directory = tmp_path / "secrets"
    assert main(["init", "--dir", str(directory)]) == 0
    return directory


def contents(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in directory.iterdir()}


def changed(directory: Path, before: dict[str, str]) -> set[str]:
    return {name for name, text in contents(directory).items() if before.get(name) != text}


def test_everything_is_made_where_nobody_else_can_look(made: Path) -> None:
    assert set(contents(made)) == SECRETS | {"nats_users.conf", "made-by-parley-init"}
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    # containers run as other users, and have single files of it
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.iterdir()} == {0o644}


def test_two_installations_have_nothing_in_common(made: Path, tmp_path: Path) -> None:
    assert main(["init", "--dir", str(tmp_path / "other")]) == 0
    assert changed(tmp_path / "other", contents(made)) == SECRETS | {"nats_users.conf"}


def test_no_secret_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "secrets"
    for more in ([], ["--rotate", "all"], ["--rotate", "all", "--json"]):
        assert main(["init", "--dir", str(directory), *more]) == 0
        said = capsys.readouterr()
        for name, text in contents(directory).items():
            secrets = re.findall(r'password: "(.+)"', text) if name == "nats_cluster.conf" else [text.strip()]
            if name != "nats_users.conf":  # public keys
                assert not any(secret in said.out + said.err for secret in secrets), name


def test_the_broker_knows_the_public_key_of_each_and_no_seed(made: Path) -> None:
    users = (made / "nats_users.conf").read_text()
    for name in KEYS:
        seed = (made / f"{name}.nk").read_text()
        assert seed not in users
        assert users.count(f"nkey: {public_key(seed)}\n") == 1
    assert users.count("nkey:") == len(KEYS)


def test_the_password_of_the_database_is_in_its_address(made: Path) -> None:
    url = urlsplit((made / "database_url").read_text())
    assert (url.scheme, url.username, url.hostname, url.path) == (
        "postgresql+asyncpg",
        "parley",
        "postgres",
        "/parley",
    )
    assert url.password == (made / "postgres_password").read_text()


def test_nothing_is_overwritten(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(made)
    assert main(["init", "--dir", str(made)]) == 1
    assert "--rotate" in capsys.readouterr().err
    assert not changed(made, before)
    (made / "grafana_password").unlink()  # one that is missing makes the others no less precious
    assert main(["init", "--dir", str(made)]) == 1
    assert set(contents(made)) == set(before) - {"grafana_password"}


def test_what_is_missing_is_made_and_the_users_are_written_again_after_an_upgrade(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(made)
    assert main(["init", "--dir", str(made), "--refresh"]) == 0
    assert not changed(made, before)
    (made / "grafana_password").unlink()
    (made / "nats_users.conf").write_text("# of an older version\n")
    capsys.readouterr()
    assert main(["init", "--dir", str(made), "--refresh", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report["made"]) == {"grafana_password", "nats_users.conf"}
    assert "kill -s HUP nats" in report["next"][0]["command"]
    assert changed(made, before) == {"grafana_password"}


@pytest.mark.parametrize("name", NAMES)
def test_one_is_made_anew_and_the_rest_stays(made: Path, name: str) -> None:
    before = contents(made)
    files = {path.name: path.stat().st_ino for path in made.iterdir()}
    assert main(["init", "--dir", str(made), "--rotate", name]) == 0
    expected = {
        "nats_cluster": {"nats_cluster.conf"},
        "postgres": {"postgres_password", "database_url"},
        "grafana": {"grafana_password"},
    }.get(name, {f"{name}.nk", "nats_users.conf"})
    assert changed(made, before) == expected
    # A container that has one of them mounted sees what is written into it, and no other file in its place.
    assert {path.name: path.stat().st_ino for path in made.iterdir()} == files


def test_only_what_is_secret_in_a_file_changes(made: Path) -> None:
    url, routes = made / "database_url", made / "nats_cluster.conf"
    url.write_text(f"{url.read_text().replace('@postgres/', '@db.example.org:6432/')}?sslmode=verify-full")
    routes.write_text(routes.read_text().replace("nats-3", "broker-3"))
    before = contents(made)
    assert main(["init", "--dir", str(made), "--rotate", "postgres", "nats_cluster"]) == 0
    after = contents(made)
    old, new = before["postgres_password"], after["postgres_password"]
    assert after["database_url"] == before["database_url"].replace(old, new)
    old, new = (re.findall(r'password: "(.+)"', each["nats_cluster.conf"])[0] for each in (before, after))
    assert after["nats_cluster.conf"] == before["nats_cluster.conf"].replace(old, new)


def test_it_is_said_what_to_restart_and_in_which_order(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def steps(*names: str) -> list[str]:
        capsys.readouterr()
        assert main(["init", "--dir", str(made), "--json", "--rotate", *names]) == 0
        return [step["command"] for step in json.loads(capsys.readouterr().out)["next"]]

    hup, gateway, doctor = steps("nats_gateway")
    assert hup.startswith("docker compose kill -s HUP nats")
    assert gateway == "docker compose up -d --wait gateway"
    assert doctor.endswith("doctor")
    assert [step.split()[-1] for step in steps("nats_history", "nats_delivery")][1] == "history"
    alter, restart, _ = steps("postgres")
    assert "ALTER ROLE" in alter
    assert restart == "docker compose restart delivery history gateway"
    assert not any("restart" in step for step in steps("nats_operator"))
    assert steps("nats_cluster")[0] == "docker compose kill -s HUP nats nats-2 nats-3"
    # who ends and is started anew by a new key has the new password too
    assert steps("all")[:3] == [alter, hup, "docker compose up -d --wait delivery history presence gateway"]
    assert steps("nats_gateway", "postgres")[:4] == [alter, hup, gateway, "docker compose restart delivery history"]


def test_there_is_nothing_to_make_anew_where_nothing_was_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", "--dir", str(tmp_path / "none"), "--rotate", "postgres"]) == 1
    assert "--refresh" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_a_key_that_is_none_is_told(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (made / "nats_history.nk").write_text("not a seed")
    before = contents(made)
    assert main(["init", "--dir", str(made), "--rotate", "nats_gateway"]) == 1
    said = capsys.readouterr().err
    assert "nats_history" in said
    assert "not a seed" not in said
    assert not changed(made, before)
    assert main(["init", "--dir", str(made), "--rotate", "nats_history"]) == 0


def test_settings_that_name_secrets_not_made_yet_do_not_keep_them_from_being_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARLEY_NATS_NKEY_FILE", str(tmp_path / "secrets" / "nats_operator.nk"))
    assert main(["queue", "list"]) == 2
    assert main(["init", "--dir", str(tmp_path / "secrets")]) == 0


def test_settings_for_compose_are_written_beside(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    argv = ["init", "--dir", str(tmp_path / "secrets"), "--env", str(env), "--public-url", "https://chat.example.org/"]
    assert main([*argv, "--profile", "cluster", "--profile", "edge", "--port", "9090"]) == 0
    settings = dict(line.split("=", 1) for line in env.read_text().splitlines() if not line.startswith("#"))
    assert settings == {
        "PARLEY_PUBLIC_URL": "https://chat.example.org",
        "PARLEY_PORT": "9090",
        "COMPOSE_PROFILES": "cluster,edge",
        "PARLEY_NATS_URL": "nats://nats:4222,nats://nats-2:4222,nats://nats-3:4222",
        "PARLEY_STREAM_REPLICAS": "3",
        "NATS_CONFIG": "cluster.conf",
        "COMPOSE_FILE": "docker-compose.yml:deploy/compose/behind-edge.yml",
        "EDGE_HOST": "chat.example.org",
    }


@pytest.mark.parametrize(
    "wrong",
    [
        ["--public-url", "chat.example.org"],
        ["--public-url", "https://chat.example.org/path"],
        ["--public-url", "ftp://chat.example.org"],
        ["--profile", "edge"],
        ["--port", "70000"],
    ],
)
def test_settings_that_cannot_be_right_make_nothing(tmp_path: Path, wrong: list[str]) -> None:
    argv = ["init", "--dir", str(tmp_path / "secrets"), "--env", str(tmp_path / ".env"), *wrong]
    assert main(argv) == 1
    assert not list(tmp_path.iterdir())


def test_settings_that_are_there_stay(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("PARLEY_PORT=1\n")
    assert main(["init", "--dir", str(tmp_path / "secrets"), "--env", str(env)]) == 1
    assert env.read_text() == "PARLEY_PORT=1\n"
    assert not (tmp_path / "secrets").exists()
