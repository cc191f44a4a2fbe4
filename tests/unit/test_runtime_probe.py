"""The question of a container's health check."""

import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from shared.runtime import probe
from tests.support.ports import free_port


class Service(BaseHTTPRequestHandler):
    """Ready, unless one asks for something else."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200 if self.path == "/health/ready" else 503)
        self.end_headers()
        self.wfile.write(b'{"status": "so"}')

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name is not ours
        """Say nothing."""


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Service) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("PARLEY_HTTP_PORT", str(server.server_port))
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_service_that_is_ready_is_well(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["probe"])
    assert probe.main() == 0


def test_of_one_that_is_not_the_answer_is_told(
    port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["probe", "/health/live"])
    assert probe.main() == 1
    assert capsys.readouterr().out == '{"status": "so"}\n'


def test_where_nobody_answers_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PARLEY_HTTP_PORT", str(free_port()))
    monkeypatch.setattr(sys, "argv", ["probe"])
    assert probe.main() == 1
    assert "no answer" in capsys.readouterr().out
