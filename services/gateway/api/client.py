"""The browser client: the files that `make web` has built, read once, each in the encodings a browser may take."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from litestar import Request, Response, route
from litestar.enums import HttpMethod
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from services.gateway.api.envelope import CLIENT_POLICY, WORKER_POLICY

DIRECTORY: Final = Path(__file__).parents[1] / "web" / "dist"
PAGES: Final = ("/", "/c/{conversation:str}", "/settings", "/settings/{section:str}")
"""The addresses of the client's own views: all of them answer with its one page. `web/src/sw.ts` has the same."""

_PAGE: Final = "index.html"
_ASSETS: Final = "assets/"
_ENCODINGS: Final = {"br": ".br", "gzip": ".gz"}
"""What the build has compressed with, best first, and how those files' names end."""
_MEDIA_TYPES: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
_POLICIES: Final = {_PAGE: CLIENT_POLICY, "sw.js": WORKER_POLICY}
_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]

AnyRequest = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class _File:
    """One file: its bytes by encoding, "" for those as they are, and the headers that go with each."""

    media_type: str
    bodies: Mapping[str, bytes]
    headers: Mapping[str, Mapping[str, str]]

    def answer(self, request: AnyRequest) -> Response[bytes]:
        """Answer with the bytes, or with 304 to a browser that has them."""
        encoding = _best(request.headers.get("accept-encoding", ""), self.bodies)
        headers = self.headers[encoding]
        held = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
        is_held = headers["etag"] in held or "*" in held
        return Response(
            b"" if is_held else self.bodies[encoding],
            status_code=304 if is_held else 200,
            media_type=self.media_type,
            headers=dict(headers),
        )


def is_built(directory: Path) -> bool:
    """Tell whether a directory holds the client."""
    return (directory / _PAGE).is_file()


def client_handlers(directory: Path) -> list[HTTPRouteHandler]:
    """Serve the client that was built into a directory; none if there is no such client.

    What is not one of its files when this is called is not served: no address is ever turned into a path.
    """
    if not is_built(directory):
        return []
    files = _read(directory)
    assets = {name.removeprefix(_ASSETS): files.pop(name) for name in list(files) if name.startswith(_ASSETS)}
    page = files.pop(_PAGE)

    @route(list(PAGES), http_method=_READ, sync_to_thread=False, include_in_schema=False)
    def client_page(request: AnyRequest) -> Response[bytes]:
        """Serve the client's page."""
        return page.answer(request)

    @route([f"/{name}" for name in files], http_method=_READ, sync_to_thread=False, include_in_schema=False)
    def client_file(request: AnyRequest) -> Response[bytes]:
        """Serve a file that has an address of its own: the service worker, the manifest, an icon."""
        return files[request.url.path.removeprefix("/")].answer(request)

    @route(f"/{_ASSETS}{{name:str}}", http_method=_READ, sync_to_thread=False, include_in_schema=False)
    def client_asset(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
        """Serve a file that is named after its content, and so never changes."""
        asset = assets.get(name)
        if asset is None:
            raise NotFoundException
        return asset.answer(request)

    return [client_page, client_file, client_asset]


def _read(directory: Path) -> dict[str, _File]:
    paths = (path for path in directory.rglob("*") if path.is_file() and path.suffix in _MEDIA_TYPES)
    return {path.relative_to(directory).as_posix(): _read_file(directory, path) for path in paths}


def _read_file(directory: Path, path: Path) -> _File:
    name = path.relative_to(directory).as_posix()
    bodies = {"": path.read_bytes()}
    for encoding, ending in _ENCODINGS.items():
        compressed = path.with_name(path.name + ending)
        if compressed.is_file():
            bodies[encoding] = compressed.read_bytes()
    digest = hashlib.sha256(bodies[""]).hexdigest()[:20]
    common = {
        "cache-control": "public, max-age=31536000, immutable" if name.startswith(_ASSETS) else "no-cache",
        "vary": "accept-encoding",
    }
    if name in _POLICIES:
        common["content-security-policy"] = _POLICIES[name]
    headers = {
        encoding: common
        | {"etag": f'"{digest}-{encoding}"' if encoding else f'"{digest}"'}
        | ({"content-encoding": encoding} if encoding else {})
        for encoding in bodies
    }
    return _File(_MEDIA_TYPES[path.suffix], bodies, headers)


def _best(accepted: str, bodies: Mapping[str, bytes]) -> str:
    """Choose the best encoding there is which a browser names, and does not weigh with nothing."""
    named = set()
    for offer in accepted.lower().split(","):
        name, _, weight = offer.replace(" ", "").partition(";q=")
        if weight.strip("0.") or not weight:
            named.add(name)
    return next((encoding for encoding in _ENCODINGS if encoding in named and encoding in bodies), "")
