"""The settings: those that can't be used, those that look misspelt, those that are not for production."""

import dataclasses
import difflib
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from deploy.cli.doctor.findings import Finding, fail, fine, warn
from deploy.cli.doctor.settings import DoctorSettings, Told
from deploy.local.settings import Settings
from services.delivery.settings import Settings as DeliverySettings
from services.gateway.settings import Settings as GatewaySettings
from services.history.settings import Settings as HistorySettings
from services.presence.settings import Settings as PresenceSettings
from shared.broker.streams import StreamSettings
from shared.runtime.settings import SettingsError, from_env

NAME: Final = "settings"
_OF_SERVICES: Final = (GatewaySettings, DeliverySettings, HistorySettings, PresenceSettings)
_ALL: Final = (Settings, StreamSettings, DoctorSettings, *_OF_SERVICES)
_PREFIX: Final = "PARLEY_"
_ALIKE: Final = 0.85
_OWN_NAMES: Final = frozenset({"127.0.0.1", "::1", "localhost"})


async def check(told: Told) -> list[Finding]:
    """Look at what the environment says."""
    findings = [fail(NAME, problem, "set it right, then run this again") for problem in _problems(told)]
    findings += [
        warn(NAME, f"{name} is no setting, and has no effect", f"is {meant} meant?") for name, meant in _misspelt(told)
    ]
    findings += _unwise(told)
    number = sum(1 for name in told.environ if name.startswith(_PREFIX))
    return findings or [fine(NAME, f"{number} set, all can be used" if number else "all as they are by default")]


def _problems(told: Told) -> list[str]:
    """List what the commands and the services would refuse, each problem once."""
    problems = list(told.problems)
    if told.local is not None:
        environ = {name: value for name, value in told.environ.items() if name != "PARLEY_DATABASE_URL_FILE"}
        environ["PARLEY_DATABASE_URL"] = told.local.database
        for cls in _OF_SERVICES:
            try:
                from_env(cls, environ)
            except SettingsError as refusal:
                problems += refusal.problems
    return list(dict.fromkeys(problems))


def _misspelt(told: Told) -> list[tuple[str, str]]:
    """Pair names that are no settings with those they look like; names that look like none are somebody else's."""
    known = set(_names(_ALL))
    found = []
    for name in sorted(told.environ):
        if name.startswith(_PREFIX) and name not in known:
            alike = difflib.get_close_matches(name, known, n=1, cutoff=_ALIKE)
            found += [(name, alike[0])] if alike else []
    return found


def _names(classes: Iterable[Any]) -> Iterable[str]:
    for cls in classes:
        for field in dataclasses.fields(cls):
            name = field.metadata.get("env", _PREFIX + field.name.upper())
            yield name
            if field.metadata.get("secret", False):
                yield f"{name}_FILE"


def _unwise(told: Told) -> list[Finding]:
    findings = []
    if told.environ.get("PARLEY_RATE_LIMITS", "").strip().lower() in {"off", "false", "0", "no"}:
        findings.append(warn(NAME, "PARLEY_RATE_LIMITS is off", "unset it: that is for load tests only"))
    if told.local is not None:
        public = urlsplit(told.local.address)
        if public.scheme == "http" and public.hostname not in _OWN_NAMES:
            findings.append(
                warn(
                    NAME,
                    f"people reach the gateway without TLS, at {told.local.address}: who listens on the way has their "
                    "passwords",
                    "put a TLS proxy in front of it, and set PARLEY_PUBLIC_URL to its https:// address",
                )
            )
    return findings
