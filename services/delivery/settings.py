"""Delivery's settings; the only place of the service that reads the environment."""

import os
from dataclasses import dataclass, field

from shared.broker.access import BrokerSettings
from shared.contracts.retries import RetrySettings
from shared.runtime.settings import ProcessSettings, from_env
from shared.runtime.telemetry import TraceSettings


@dataclass(frozen=True, kw_only=True)
class Settings(ProcessSettings, BrokerSettings, RetrySettings, TraceSettings):
    """Where the log and the store are, on how many subjects events are announced, and how retries go."""

    database_url: str = field(repr=False, metadata={"secret": True})
    announce_shards: int = field(default=1, metadata={"min": 1, "max": 65_536})


def load() -> Settings:
    """Read the settings of this process.

    Raises:
        SettingsError: with everything that is wrong.
    """
    return from_env(Settings, os.environ)
