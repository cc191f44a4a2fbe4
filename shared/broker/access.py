"""How a process gets to the broker: where it is, with which key, over which TLS, and where it hears its answers."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

NO_KEY: Final = ""
_INBOX: Final = "_INBOX"


@dataclass(frozen=True, kw_only=True)
class BrokerSettings:
    """What an operator says of the broker.

    `nats_url`: one address, or those of a cluster's nodes separated by commas; `tls://` for TLS. `nats_nkey`: the
    seed of this process's key, "" where the broker lets anybody in. `nats_ca_file`: who vouches for the broker's
    certificate, where it is not one of the machine's authorities.
    """

    nats_url: str = "nats://127.0.0.1:4222"
    nats_nkey: str = field(default=NO_KEY, repr=False, metadata={"secret": True})
    nats_ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """The way of one process to the broker; `inbox` begins the subjects on which its answers come."""

    servers: tuple[str, ...]
    nkey: str = field(default=NO_KEY, repr=False)
    ca_file: Path | None = None
    inbox: str = _INBOX

    @property
    def tls(self) -> ssl.SSLContext | None:
        """What the broker's certificate is checked against; None where it needs none."""
        if self.ca_file is None and not any(server.startswith("tls:") for server in self.servers):
            return None
        return ssl.create_default_context(cafile=self.ca_file)

    def proof(self) -> dict[str, Any]:
        """Return what nats-py's `connect` needs to be let in: the key, and whom to trust."""
        return {"nkeys_seed_str": self.nkey or None, "tls": self.tls}


def inbox_of(role: str) -> str:
    """Name where a service hears its answers: nobody else may listen there."""
    return f"{_INBOX}_{role}"


def access(settings: BrokerSettings, role: str) -> Access:
    """Make the way of a service, or of an operator, out of the settings."""
    return Access(servers_in(settings.nats_url), settings.nats_nkey, settings.nats_ca_file, inbox_of(role))


def servers_in(urls: str) -> tuple[str, ...]:
    """Take a list of addresses apart."""
    return tuple(url.strip() for url in urls.split(",") if url.strip())
