"""What presence is told by the environment; read here and nowhere else."""

import os
from dataclasses import dataclass, field

from shared.broker.access import BrokerSettings
from shared.broker.lease import LIFE_S as LEASE_LIFE_S
from shared.contracts.presence import GATEWAY_LIFE_S
from shared.runtime.settings import ProcessSettings, from_env
from shared.runtime.telemetry import TraceSettings


@dataclass(frozen=True, kw_only=True)
class Settings(ProcessSettings, BrokerSettings, TraceSettings):
    """The settings of one presence process.

    `stream_replicas`: how many nodes of the broker keep the buckets in memory that presence makes again after the
    broker lost them; the same as for the streams.
    """

    stream_replicas: int = field(default=1, metadata={"min": 1, "max": 5})


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How patient presence is; the gateways count on it, so it is no setting.

    A gateway that does not refresh its key for `gateway_life_s` is dead, and sessions are held as long after a
    broker came back. A user without a session still looks as before for `linger_s`: pages are loaded again. Another
    replica leads `lease_life_s`, and not much more, after the leader died.
    """

    gateway_life_s: float = GATEWAY_LIFE_S
    linger_s: float = 0.7
    lease_life_s: int = LEASE_LIFE_S


def load() -> Settings:
    """Read the settings.

    Raises:
        SettingsError: with all that is wrong.
    """
    return from_env(Settings, os.environ)
