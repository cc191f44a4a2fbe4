"""What was logged, also by modules that logged before under other settings."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from structlog._config import BoundLoggerLazyProxy
from structlog.testing import capture_logs
from structlog.typing import EventDict


@contextmanager
def captured_logs() -> Iterator[list[EventDict]]:
    """Collect what is logged, of every level.

    structlog's own way misses the loggers that were first used under `logs.configure`, as a command in an earlier test
    does: they keep its level and its processors for good.
    """
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(0), cache_logger_on_first_use=False)
    for proxy in gc.get_objects():
        if type(proxy) is BoundLoggerLazyProxy:  # a weak reference whose object is gone can be asked for nothing else
            vars(proxy).pop("bind", None)
    try:
        with capture_logs() as logged:
            yield logged
    finally:
        structlog.configure(**before)
