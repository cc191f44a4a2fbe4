import http.client
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.ports import free_port

PROGRAM = """
import asyncio, sys
from shared.runtime import logs
from shared.runtime.serve import run, serve

how, port = sys.argv[1], int(sys.argv[2])
logs.configure("sample", json=True, level="info")

asked = asyncio.Event()

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        if how == "never-starts":
            print("starting", flush=True)
            await asyncio.Event().wait()
        await send({"type": "lifespan.startup.complete"})
        print("started", flush=True)
        if how == "dies":
            await asked.wait()
            raise RuntimeError("the reader is gone")
        await receive()
        print("lifespan over", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
    else:
        asked.set()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"served"})

async def drain():
    print("drained", flush=True)

run(serve(app, host="127.0.0.1", port=port, on_drain=drain))
"""


@contextmanager
def started(how: str, port: int) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-c", PROGRAM, how, str(port)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline().startswith("start")
        try:
            yield child
        finally:
            child.kill()


def get(port: int) -> tuple[int, bytes, str | None]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.getheader("server")
    finally:
        connection.close()


def get_when_up(port: int) -> tuple[int, bytes, str | None]:
    while True:  # bounded by the test's own timeout; uvicorn listens a moment after the lifespan began
        try:
            return get(port)
        except ConnectionRefusedError:
            continue


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_ends_the_lifespan_and_the_exit_code_is_0(number: signal.Signals) -> None:
    port = free_port()
    with started("serves", port) as child:
        assert get_when_up(port) == (200, b"served", None)
        child.send_signal(number)
        child.send_signal(signal.SIGTERM)  # as with Ctrl-C: one from the terminal, one from the launcher
        output, _ = child.communicate(timeout=10)
    assert child.returncode == 0
    assert output.index("drained") < output.index("lifespan over")
    assert "rror" not in output


def test_a_signal_while_start_up_waits_ends_it_at_once_and_quietly() -> None:
    with started("never-starts", free_port()) as child:
        child.send_signal(signal.SIGTERM)
        output, _ = child.communicate(timeout=10)
    assert child.returncode == 0
    assert output == ""


def test_a_process_whose_application_died_does_not_live_on() -> None:
    port = free_port()
    with started("dies", port) as child:
        get_when_up(port)
        output, _ = child.communicate(timeout=10)
    assert child.returncode == 1
    assert "the reader is gone" in output
    assert "service_died" in output


def test_a_taken_address_ends_the_process_with_an_error() -> None:
    port = free_port()
    with started("serves", port) as first:
        get_when_up(port)
        with started("serves", port) as second:
            output, _ = second.communicate(timeout=10)
        assert second.returncode not in (0, None)
        assert "address already in use" in output
        assert first.poll() is None
