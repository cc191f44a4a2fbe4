"""The four services as programs: which port each has, and what all of them are told."""

import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.local.process import Program
from deploy.local.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("gateway", "delivery", "history", "presence")


def port_of(settings: Settings, service: str) -> int:
    """Tell where a service answers HTTP: the gateway at the port itself, the others after it."""
    return settings.port + SERVICES.index(service)


def programs(settings: Settings, environ: Mapping[str, str]) -> list[Program]:
    """Say how to run each service; what the environment says already goes on to all of them."""
    shared = {
        **environ,
        "PARLEY_DATA_DIR": str(settings.home),
        "PARLEY_DATABASE_URL": settings.database,
        "PARLEY_NATS_URL": settings.broker,
        "PARLEY_PUBLIC_URL": settings.address,
        "PARLEY_ORIGINS": ",".join(settings.trusted_origins),
        "PARLEY_REGISTRATION": settings.registration,
        "PARLEY_LOG_FORMAT": "console" if settings.log_format == "auto" else settings.log_format,
        "PARLEY_HTTP_HOST": "127.0.0.1",
        "PYTHONUNBUFFERED": "1",
    }
    shared.pop("PARLEY_DATABASE_URL_FILE", None)  # it is read: what it holds is passed on
    return [
        Program(
            service,
            (sys.executable, "-m", f"services.{service}.app"),
            environ={**shared, "PARLEY_HTTP_PORT": str(port_of(settings, service))},
            cwd=ROOT,
        )
        for service in SERVICES
    ]
