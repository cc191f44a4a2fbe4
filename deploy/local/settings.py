"""Where a system on this machine lives: its ports, its data, its addresses; read once, here."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from shared.broker.access import NO_KEY, Access, BrokerSettings, access
from shared.runtime.settings import LogFormat


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the launcher and the ops CLI are told by the environment (`PARLEY_...`).

    Delivery, history and presence take the ports after `port`, the broker's monitor the one
    after `nats_port`.
    """

    port: int = field(default=8080, metadata={"min": 1, "max": 65532})
    nats_port: int = field(default=4222, metadata={"min": 1, "max": 65534})
    data_dir: Path = Path("data")
    database_url: str | None = field(default=None, repr=False, metadata={"secret": True})
    nats_url: str | None = None
    nats_nkey: str = field(default=NO_KEY, repr=False, metadata={"secret": True})
    nats_ca_file: Path | None = None
    public_url: str | None = None
    origins: tuple[str, ...] = ()
    registration: Literal["open", "invite", "closed"] = "open"
    log_format: LogFormat = "auto"

    @property
    def home(self) -> Path:
        """The data directory, absolute: the services may be started elsewhere."""
        return self.data_dir.expanduser().absolute()

    @property
    def has_own_broker(self) -> bool:
        """Whether the broker is started here; else it is one that runs elsewhere."""
        return self.nats_url is None

    @property
    def broker(self) -> str:
        """The address of the broker."""
        return self.nats_url or f"nats://127.0.0.1:{self.nats_port}"

    @property
    def operator(self) -> Access:
        """The way of an operator's command to the broker."""
        return access(
            BrokerSettings(nats_url=self.broker, nats_nkey=self.nats_nkey, nats_ca_file=self.nats_ca_file), "operator"
        )

    @property
    def database(self) -> str:
        """The address of the database: a file in the data directory where none is given."""
        return self.database_url or f"sqlite+aiosqlite:///{self.home / 'parley.db'}"

    @property
    def address(self) -> str:
        """The address that people open."""
        return self.public_url or f"http://127.0.0.1:{self.port}"

    @property
    def trusted_origins(self) -> tuple[str, ...]:
        """The origins whose pages may use the session cookie."""
        if self.origins:
            return self.origins
        public = urlsplit(self.address)
        local = (f"http://{host}:{self.port}" for host in ("127.0.0.1", "localhost"))
        return tuple(dict.fromkeys((f"{public.scheme}://{public.netloc}", *local)))
