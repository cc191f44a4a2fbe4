"""The log of what operators do: a line of JSON on standard error for each act that changes accounts or moves data."""

import json
import os
import pwd
import sys

from shared.contracts.frames import rfc3339
from shared.runtime import clock


def note(act: str, **about: object) -> None:
    """Write down that an act was done: what, by whom, when; `about` has ids and counts, never content or a secret."""
    line = {"event": "operator_act", "act": act, "by": _caller(), "timestamp": rfc3339(clock.now_ms()), **about}
    sys.stderr.write(json.dumps(line) + "\n")


def _caller() -> str:
    """Name the user of the operating system, and who that was before `sudo`."""
    number = os.getuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:  # a container may run as a number without a name
        name = f"uid {number}"
    before = os.environ.get("SUDO_USER")
    return f"{name} (sudo by {before})" if before else name
