"""Logs are an event name and key/values on standard output: never message content, never secrets."""

import logging
import sys
from typing import TYPE_CHECKING, cast

import structlog

from shared.runtime.settings import LogFormat

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger, Processor

# Libraries that set up handlers of their own; FastStream makes one only where none writes to
# standard output yet, so ours is put there first.
_OWN_HANDLERS = ("faststream", "faststream.access.nats", "uvicorn", "uvicorn.error", "litestar")


def configure(service: str, *, json: bool, level: str) -> None:
    """Send every log line of this process, the libraries' too, to standard output in one form.

    Call it once, in `app.py`, before anything logs. `level` is debug, info, warning or error.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    handler = _handler(service, number, json=json)
    handler.addFilter(_is_ours_or_a_warning)
    libraries = _handler(service, max(number, logging.WARNING), json=json)  # they talk much, and set their own levels
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(number)
    for name in _OWN_HANDLERS:
        library = logging.getLogger(name)
        library.handlers = [libraries]
        library.propagate = False
    logging.getLogger("uvicorn.access").handlers = []
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_logger_name,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def get(name: str) -> "FilteringBoundLogger":
    """Hand out the logger of a module: `log.info("batch_applied", commands=128)`."""
    return cast("FilteringBoundLogger", structlog.get_logger(name))


def brief(error: BaseException) -> str:
    """Say what an error is in a line without the rest: databases and drivers add the rows and values it was about."""
    first, *_ = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {first[:300]}" if first else type(error).__name__


def wants_json(log_format: LogFormat) -> bool:
    """Decide the form: as set, or JSON where standard output is no terminal."""
    return not sys.stdout.isatty() if log_format == "auto" else log_format == "json"


def _shared() -> "list[Processor]":
    """List what is done to our own lines and to those of libraries alike."""
    return [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _is_ours_or_a_warning(record: logging.LogRecord) -> bool:
    """Keep libraries from telling at length what they do: aiosqlite would write every statement with its values."""
    return isinstance(record.msg, dict) or record.levelno >= logging.WARNING


def _handler(service: str, level: int, *, json: bool) -> logging.Handler:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_formatter(service, json=json))
    handler.setLevel(level)
    return handler


def _formatter(service: str, *, json: bool) -> structlog.stdlib.ProcessorFormatter:
    def add_service(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["service"] = service
        return event

    rendering: list[Processor]
    if json:
        rendering = [
            add_service,
            # without local variables: they hold message content and secrets
            structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(default=str),
        ]
    else:
        rendering = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stdout.isatty(),
                exception_formatter=structlog.dev.plain_traceback,
                pad_event_to=0,
                pad_level=False,
            )
        ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *_shared()],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
    )
