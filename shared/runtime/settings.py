"""Settings come from the environment, are read once at start, and say all that is wrong at once.

A service describes its settings as a frozen dataclass; its `settings.py` is the only module of
the service that hands over `os.environ`.
"""

import dataclasses
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

_T = TypeVar("_T")
_PREFIX = "PARLEY_"
_YES = frozenset({"on", "true", "1", "yes"})
_NO = frozenset({"off", "false", "0", "no"})
_EXAMPLES = frozenset({"password", "secret", "changeme", "change-me", "example", "postgres", "parley", "admin"})
"""What people leave in place of a secret, in lower case."""

LogFormat = Literal["auto", "console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]


class SettingsError(Exception):
    """Settings that cannot be used: one line per setting, each says what to write instead."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(("The settings can't be used:", *(f"  {p}" for p in problems))))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProcessSettings:
    """What every service process has: where it serves HTTP and how it logs.

    A service's own settings inherit from it and add what the service needs.
    """

    http_host: str = "127.0.0.1"
    http_port: int = dataclasses.field(default=8080, metadata={"min": 0, "max": 65535})
    log_format: LogFormat = "auto"
    log_level: LogLevel = "info"


def from_env(cls: type[_T], environ: Mapping[str, str]) -> _T:
    """Fill a frozen dataclass from the environment.

    The field `nats_url` is read from `PARLEY_NATS_URL`; `metadata={"env": "PARLEY_OTHER"}` names
    another variable, `metadata={"min": ..., "max": ...}` bounds a number, `metadata={"check": f}` has
    `f(value)` raise a ValueError that says what to write instead. A variable that is
    empty counts as not set, as Compose files write it. Known types: str, int, float, bool, Path,
    Literal of strings, tuple[str, ...] (comma-separated) and `X | None`.

    A field with `metadata={"secret": True}` may also be kept in a file, which `PARLEY_..._FILE` names
    (a secret of Docker or of Kubernetes, for instance); it is shown in no message, and refused where it is
    one that stands in an example.

    Raises:
        SettingsError: with every problem found, not only the first.
        TypeError: when a field has a type that can't be read from text; a mistake in the code.
    """
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    problems: list[str] = []
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]  # every settings class is a dataclass
        name = field.metadata.get("env", _PREFIX + field.name.upper())
        is_secret = field.metadata.get("secret", False)
        text = environ.get(name, "").strip()
        if is_secret:
            try:
                text = _secret(name, text, environ)
            except ValueError as refusal:
                problems.append(str(refusal))
                continue
        if not text:
            if _is_required(field):
                problems.append(f"{name} is not set: write {_expected(hints[field.name])}.")
            continue
        try:
            value = _parse(hints[field.name], text)
            _check_bounds(value, field.metadata)
            field.metadata.get("check", _nothing)(value)
        except ValueError as refusal:
            wanted = str(refusal) or _expected(hints[field.name])
            shown = "a secret that can't be used" if is_secret else repr(text)
            problems.append(f"{name} is {shown}: write {wanted}.")
        else:
            values[field.name] = value
    if problems:
        raise SettingsError(tuple(problems))
    return cls(**values)


def _secret(name: str, text: str, environ: Mapping[str, str]) -> str:
    """Read a secret from the environment, or from the file that is named there.

    Raises:
        ValueError: a line of what is wrong, without the secret.
    """
    path = environ.get(f"{name}_FILE", "").strip()
    if path and text:
        problem = f"{name} and {name}_FILE are both set: write one of them."
        raise ValueError(problem)
    if path:
        try:
            text = Path(path).read_text().strip()
        except OSError as error:
            problem = f"{name}_FILE is {path!r}, which can't be read: {error.strerror}."
            raise ValueError(problem) from error
        if not text:
            problem = f"{name}_FILE is {path!r}, which is empty: make the secrets with `parley init`."
            raise ValueError(problem)
    word = _password(text) if "://" in text else text
    if word.lower() in _EXAMPLES:
        problem = f"{name} holds a secret out of an example: make one of your own with `parley init`."
        raise ValueError(problem)
    return text


def _password(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""


def _is_required(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _parse(kind: Any, text: str) -> Any:
    """Read one value; ValueError where the text doesn't fit, its message what to write."""
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _parse(_without_none(kind), text)
    if origin is Literal:
        if text not in typing.get_args(kind):
            raise ValueError
        return text
    if origin is tuple:
        return tuple(part for part in (piece.strip() for piece in text.split(",")) if part)
    if kind is bool:
        return _parse_bool(text)
    if kind in (int, float):
        return _parse_number(kind, text)
    if kind in (str, Path):
        return kind(text)
    message = f"settings of type {kind!r} can't be read from the environment"
    raise TypeError(message)


def _parse_bool(text: str) -> bool:
    if text.lower() in _YES:
        return True
    if text.lower() in _NO:
        return False
    raise ValueError


def _parse_number(kind: type[int] | type[float], text: str) -> int | float:
    try:
        return kind(text)
    except ValueError:
        raise ValueError from None  # Python's own words don't say what to write


def _check_bounds(value: object, metadata: Mapping[str, Any]) -> None:
    if not isinstance(value, int | float):
        return
    low, high = metadata.get("min"), metadata.get("max")
    # negated, so that `nan` fits into no bounds
    fits = (low is None or value >= low) and (high is None or value <= high)
    if not fits:
        if high is None:
            message = f"a number from {low} up"
        elif low is None:
            message = f"a number up to {high}"
        else:
            message = f"a number from {low} to {high}"
        raise ValueError(message)


def _nothing(_value: object) -> None:
    """Check nothing more."""


def _expected(kind: Any) -> str:
    """Say in words what a setting of this type looks like."""
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _expected(_without_none(kind))
    if origin is Literal:
        return "one of " + ", ".join(typing.get_args(kind))
    if origin is tuple:
        return "a list separated by commas"
    words = {
        bool: "on or off",
        int: "a whole number",
        float: "a number",
        Path: "a path",
    }
    return words.get(kind, "a text")


def _without_none(kind: Any) -> Any:
    inner = [part for part in typing.get_args(kind) if part is not type(None)]
    if len(inner) != 1:
        message = f"settings of type {kind!r} can't be read from the environment"
        raise TypeError(message)
    return inner[0]
