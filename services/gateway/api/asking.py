"""How a request is read: a JSON body strictly by the type of its handler, never guessed, never coerced."""

import re
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.datastructures import State

from services.gateway.domain import Principal
from shared.contracts.errors import Code, Refusal

_at_path = re.compile(r"^(.*) - at `(?:key in )?\$\.?([^`\[]*)[^`]*`$").search
_missing = re.compile(r"missing required field `([^`]+)`").search
_FOUND_WRONG: Final = "The body does not fit."


class Asking(Request[Principal, None, State]):
    """Our request: `data` of a handler is decoded from JSON exactly, and refused with the field that is wrong."""

    __slots__ = ()

    async def json(self) -> Any:
        """Read the body as what the handler calls `data`.

        Raises:
            Refusal: `unsupported` (not sent as JSON) or `invalid`.
        """
        kind = self.content_type[0]
        if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
            raise Refusal(Code.UNSUPPORTED, "Send the body as application/json.")
        wanted = self.route_handler.parsed_data_field
        return decode(await self.body(), Any if wanted is None else wanted.annotation)


def decode(body: bytes, wanted: Any) -> Any:
    """Decode JSON into a type.

    Raises:
        Refusal: `invalid`, with the field where one can be named.
    """
    try:
        return msgspec.json.decode(body, type=wanted)
    except msgspec.ValidationError as error:
        name, wrong = _blame(str(error))
        raise Refusal(Code.INVALID, f"{name}: {wrong}.", fields={name: wrong}) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise Refusal(Code.INVALID, "The body is not valid JSON.", fields={"body": "must be JSON"}) from None


def address_of(request: Asking) -> str:
    """Tell from where a request comes: the peer of its connection, or whom a trusted proxy names."""
    return request.client.host if request.client else "unknown"


def _blame(said: str) -> tuple[str, str]:
    """Take a field and what is wrong with it out of msgspec's sentence."""
    located = _at_path(said)
    reason, path = (located[1], located[2]) if located else (said, "")
    if missing := _missing(said):
        return ".".join(filter(None, (path, missing[1]))), "is required"
    if not path:
        return "body", "must be a JSON object" if "`object`" in reason or "Expected" in reason else _FOUND_WRONG
    return path, reason[:1].lower() + reason[1:]
