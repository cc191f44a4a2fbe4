"""Who stands behind a proxy: the address of a person, where the connection is one of the operator's own proxies."""

import ipaddress
from collections.abc import Iterable
from typing import Any, Final

from services.gateway.settings import Network
from shared.runtime.health import ASGIApp

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_FORWARDED: Final = b"x-forwarded-for"


class BehindProxies:
    """An ASGI application around another: `client` of each request and socket is who stands behind trusted proxies.

    Each proxy appends whom it speaks with to `X-Forwarded-For`. Read from its end, what trusted proxies wrote is
    believed, and the first address that is none of theirs is the client's: what is left of it, the client wrote.
    """

    def __init__(self, app: ASGIApp, networks: Iterable[Network]) -> None:
        self._app = app
        self._networks = tuple(networks)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on."""
        peer = scope.get("client")
        if self._networks and peer and self._is_trusted(address_in(peer[0])):
            written = b",".join(value for name, value in scope["headers"] if name == _FORWARDED)
            scope["client"] = (self._behind(peer[0], written.decode("latin-1")), 0)
        await self._app(scope, receive, send)

    def _behind(self, peer: str, written: str) -> str:
        nearest = peer
        for part in reversed(written.split(",")):
            address = address_in(part)
            if address is None:
                break  # nobody knows who stands behind: all of them count as the proxy that let it through
            nearest = str(address)
            if not self._is_trusted(address):
                break
        return nearest

    def _is_trusted(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def address_in(text: str) -> Address | None:
    """Read an address as it stands in a header, with or without a port; None where it is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
