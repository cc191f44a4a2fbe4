"""What history is told by the environment; read here and nowhere else."""

import os
from dataclasses import dataclass, field

from shared.broker.access import BrokerSettings
from shared.runtime.settings import ProcessSettings, from_env
from shared.runtime.telemetry import TraceSettings


@dataclass(frozen=True, kw_only=True)
class Settings(ProcessSettings, BrokerSettings, TraceSettings):
    """The settings of one history process."""

    database_url: str = field(repr=False, metadata={"secret": True})


def load() -> Settings:
    """Read the settings.

    Raises:
        SettingsError: with all that is wrong.
    """
    return from_env(Settings, os.environ)
