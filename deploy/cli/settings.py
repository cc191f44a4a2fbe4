"""What the commands are told by the environment: the same settings as the launcher and the services."""

import os
from dataclasses import dataclass

from deploy.local.settings import Settings
from shared.broker.streams import StreamSettings
from shared.runtime.settings import from_env


@dataclass(frozen=True)
class CliSettings:
    """Where the system is, and how its streams are to be."""

    local: Settings
    streams: StreamSettings


def load() -> CliSettings:
    """Read the settings.

    Raises:
        SettingsError: with all that is wrong.
    """
    return CliSettings(from_env(Settings, os.environ), from_env(StreamSettings, os.environ))
