"""The settings as the doctor reads them: what can't be used is a finding, and the rest is looked at all the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from deploy.local.settings import Settings
from shared.broker.streams import StreamSettings
from shared.runtime.settings import SettingsError, from_env

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class DoctorSettings:
    """The addresses at which the services answer, where that is not on this machine (`PARLEY_SERVICES`)."""

    services: tuple[str, ...] = ()


@dataclass(frozen=True)
class Told:
    """What the environment says; None in place of settings that can't be used, with the reasons in `problems`."""

    environ: Mapping[str, str]
    local: Settings | None
    streams: StreamSettings | None
    services: tuple[str, ...]
    problems: tuple[str, ...]


def read(environ: Mapping[str, str]) -> Told:
    """Read all settings that the commands know."""
    problems: list[str] = []
    local = _read(Settings, environ, problems)
    streams = _read(StreamSettings, environ, problems)
    doctor = _read(DoctorSettings, environ, problems)
    return Told(environ, local, streams, doctor.services if doctor is not None else (), tuple(problems))


def _read(cls: type[T], environ: Mapping[str, str], problems: list[str]) -> T | None:
    try:
        return from_env(cls, environ)
    except SettingsError as refusal:
        problems += refusal.problems
        return None
