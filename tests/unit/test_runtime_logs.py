import json
import subprocess
import sys

# In a process of its own: logging is configured once per process.
PROGRAM = """
import logging, sys
from shared.runtime import logs
logs.configure("delivery", json=sys.argv[1] == "json", level="info")
log = logs.get("reader").bind(partition=2)
log.debug("not_shown")
log.info("batch_applied", commands=128)
logging.getLogger("nats.aio.client").warning("slow %s", "consumer")
logging.getLogger("uvicorn.error").info("not shown either")
try:
    raise ValueError("bad")
except ValueError:
    log.exception("batch_failed")
"""


def run(form: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", PROGRAM, form], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_json_has_one_object_a_line_for_our_own_and_the_libraries_events() -> None:
    own, library, failure = (json.loads(line) for line in run("json"))
    assert {key: own[key] for key in ("event", "level", "logger", "service", "partition", "commands")} == {
        "event": "batch_applied",
        "level": "info",
        "logger": "reader",
        "service": "delivery",
        "partition": 2,
        "commands": 128,
    }
    assert (library["event"], library["level"]) == ("slow consumer", "warning")
    assert failure["exception"][0]["exc_type"] == "ValueError"


def test_the_console_shows_event_and_values_without_colours_in_a_pipe() -> None:
    first, *_ = run("console")
    assert "batch_applied" in first
    assert "commands=128" in first
    assert "\033" not in first
