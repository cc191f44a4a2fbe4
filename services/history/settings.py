"""What history is told by the environment; read here and nowhere else."""

import os
from dataclasses import dataclass

from shared.runtime.settings import ProcessSettings, from_env


@dataclass(frozen=True, kw_only=True)
class Settings(ProcessSettings):
    """The settings of one history process."""

    database_url: str
    nats_url: str = "nats://127.0.0.1:4222"


def load() -> Settings:
    """Read the settings.

    Raises:
        SettingsError: with all that is wrong.
    """
    return from_env(Settings, os.environ)
