"""What `make build` makes: the product, with the browser client as it is served and not as it is written."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from services.gateway.api.client import DIRECTORY

ROOT = Path(__file__).parents[2]
WEB = "services/gateway/web/"
SERVED = {".br", ".css", ".gz", ".html", ".js", ".png", ".svg", ".webmanifest"}


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names of all files in the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"),
        *("--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)),
    ]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(command, check=True, env={**os.environ, "PATH": path}, timeout=100)
    (wheel,) = folder.glob("*.whl")
    return [name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")]


def test_the_built_client_is_in_the_wheel_and_nothing_it_was_made_of(names: list[str]) -> None:
    if not DIRECTORY.exists():
        pytest.fail("the browser client is not built: make web")
    client = {name.removeprefix(WEB) for name in names if name.startswith(WEB)}
    assert {"dist/index.html", "dist/sw.js", "dist/manifest.webmanifest"} <= client
    assert [name for name in client if not name.startswith("dist/")] == []
    assert {Path(name).suffix for name in client} <= SERVED
    assert any(name.startswith("dist/assets/") and name.endswith(".js.br") for name in client)


def test_the_style_sheet_of_the_gateways_own_pages_is_in_the_wheel(names: list[str]) -> None:
    assert "services/gateway/api/parley.css" in names
    assert "services/gateway/app.py" in names
