from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from shared.runtime.settings import SettingsError, from_env


@dataclass(frozen=True, kw_only=True)
class Sample:
    nats_url: str
    port: int = field(default=8080, metadata={"min": 1, "max": 65535})
    pause_s: float = 1.5
    rate_limits: bool = True
    data_dir: Path = Path("data")
    registration: Literal["open", "invite", "closed"] = "open"
    origins: tuple[str, ...] = ()
    token: str | None = None
    workers: int | None = field(default=None, metadata={"env": "PARLEY_HASHING_WORKERS", "min": 1})


def test_every_known_type_is_read_from_its_variable() -> None:
    found = from_env(
        Sample,
        {
            "PARLEY_NATS_URL": "nats://here",
            "PARLEY_PORT": "9000",
            "PARLEY_PAUSE_S": "0.25",
            "PARLEY_RATE_LIMITS": "off",
            "PARLEY_DATA_DIR": "/var/lib/parley",
            "PARLEY_REGISTRATION": "closed",
            "PARLEY_ORIGINS": "http://a, http://b,",
            "PARLEY_TOKEN": "t",
            "PARLEY_HASHING_WORKERS": "3",
        },
    )
    assert found == Sample(
        nats_url="nats://here",
        port=9000,
        pause_s=0.25,
        rate_limits=False,
        data_dir=Path("/var/lib/parley"),
        registration="closed",
        origins=("http://a", "http://b"),
        token="t",
        workers=3,
    )


def test_what_is_not_set_or_empty_keeps_its_default() -> None:
    found = from_env(Sample, {"PARLEY_NATS_URL": "x", "PARLEY_PORT": " ", "PARLEY_TOKEN": "", "PORT": "1"})
    assert found == Sample(nats_url="x")


def test_all_problems_are_told_at_once_each_with_what_to_write() -> None:
    with pytest.raises(SettingsError) as refused:
        from_env(
            Sample,
            {
                "PARLEY_PORT": "80800",
                "PARLEY_PAUSE_S": "soon",
                "PARLEY_RATE_LIMITS": "maybe",
                "PARLEY_REGISTRATION": "shut",
                "PARLEY_HASHING_WORKERS": "0",
            },
        )
    assert refused.value.problems == (
        "PARLEY_NATS_URL is not set: write a text.",
        "PARLEY_PORT is '80800': write a number from 1 to 65535.",
        "PARLEY_PAUSE_S is 'soon': write a number.",
        "PARLEY_RATE_LIMITS is 'maybe': write on or off.",
        "PARLEY_REGISTRATION is 'shut': write one of open, invite, closed.",
        "PARLEY_HASHING_WORKERS is '0': write a number from 1 up.",
    )
    assert all(problem in str(refused.value) for problem in refused.value.problems)


def test_not_a_number_fits_into_no_bounds() -> None:
    @dataclass(frozen=True)
    class Bounded:
        share: float = field(default=0.5, metadata={"min": 0, "max": 1})

    with pytest.raises(SettingsError):
        from_env(Bounded, {"PARLEY_SHARE": "nan"})


def test_a_type_that_no_text_can_be_is_a_mistake_in_the_code() -> None:
    @dataclass(frozen=True)
    class Wrong:
        limits: dict[str, int] = field(default_factory=dict)

    with pytest.raises(TypeError):
        from_env(Wrong, {"PARLEY_LIMITS": "{}"})


@dataclass(frozen=True)
class Hidden:
    key: str = field(metadata={"secret": True})


def test_a_secret_comes_from_the_environment_or_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("SU-from-a-file\n")
    assert from_env(Hidden, {"PARLEY_KEY": "SU-from-here"}) == Hidden("SU-from-here")
    assert from_env(Hidden, {"PARLEY_KEY_FILE": str(tmp_path / "key")}) == Hidden("SU-from-a-file")


@pytest.mark.parametrize("value", ["changeme", "Password", "postgresql+asyncpg://parley:parley@db/parley"])
def test_a_secret_out_of_an_example_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match="parley init"):
        from_env(Hidden, {"PARLEY_KEY": value})


@pytest.mark.parametrize("content", [None, ""])
def test_a_file_without_the_secret_is_told(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "key").write_text(content)
    with pytest.raises(SettingsError, match="PARLEY_KEY_FILE"):
        from_env(Hidden, {"PARLEY_KEY_FILE": str(tmp_path / "key")})


def test_a_secret_is_in_no_message(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("SU-two")
    with pytest.raises(SettingsError) as refused:
        from_env(Hidden, {"PARLEY_KEY": "SU-one", "PARLEY_KEY_FILE": str(tmp_path / "key")})
    assert "SU-" not in str(refused.value)
