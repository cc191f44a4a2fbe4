"""Reads named tuples off the wire, also those that a newer program has made longer: what it put behind is ignored.

While services are rolled one by one, both versions speak to each other (ADR 7). msgspec refuses a longer array, so that
one is read a second time, cut to what is known; arrays of the present length cost nothing.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import msgspec

T = TypeVar("T", bound=NamedTuple)
Encoded = bytes | bytearray | memoryview | msgspec.Raw

_encode = msgspec.msgpack.Encoder().encode
_parts: Callable[[Encoded], list[msgspec.Raw]] = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode


def reader(of: type[T]) -> Callable[[Encoded], T]:
    """Make what reads one named tuple; it raises msgspec.DecodeError for what is none of that kind."""
    read: Callable[[Any], T] = msgspec.msgpack.Decoder(of).decode
    known = len(of._fields)

    def read_grown(encoded: Encoded) -> T:
        try:
            return read(encoded)
        except msgspec.ValidationError:
            parts = _parts(encoded)
            if len(parts) <= known:
                raise
            return read(_encode(parts[:known]))

    return read_grown


def list_reader(of: type[T]) -> Callable[[Encoded], list[T]]:
    """Make what reads a list of named tuples; it raises msgspec.DecodeError where one of them is none of that kind."""
    read: Callable[[Any], list[T]] = msgspec.msgpack.Decoder(list[of]).decode  # type: ignore[valid-type] # built here
    read_one = reader(of)

    def read_grown(encoded: Encoded) -> list[T]:
        try:
            return read(encoded)
        except msgspec.ValidationError:
            return [read_one(part) for part in _parts(encoded)]

    return read_grown
