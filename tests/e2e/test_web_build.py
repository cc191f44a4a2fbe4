"""The step of make that builds the browser client, with programs in the place of node and npm that note their calls."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BASE_PYTHON = str(Path(sys.base_prefix) / "bin" / "python3")
NPM = """\
#!/bin/sh
echo "$*" >> "{calls}"
case "$*" in
ci) rm -rf node_modules; mkdir node_modules; echo "words of npm ci"; exit {ci} ;;
"run --silent build"*) mkdir -p dist.next; cp src/main.tsx dist.next/index.html; echo "words of vite"; exit {build} ;;
*) exit {script} ;;
esac
"""
CI, BUILD = "ci", "run --silent build -- --outDir dist.next --emptyOutDir"


class Checkout:
    """The step in a directory of its own, with a client of one file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.web = folder / "services/gateway/web"
        self.dist = self.web / "dist"
        self._programs = folder / "programs"
        self._calls = folder / "calls.txt"
        for package in ("deploy", "deploy/local"):
            (folder / package).mkdir()
            shutil.copy(ROOT / package / "__init__.py", folder / package)
        for name in ("install.py", "web.py"):
            shutil.copy(ROOT / "deploy/local" / name, folder / "deploy/local")
        (self.web / "src").mkdir(parents=True)
        for name in ("package.json", "package-lock.json", ".npmrc", "src/main.tsx"):
            (self.web / name).write_text(f"first {name}")
        (folder / "requirements-node.lock").write_text("there-is-no-such-package==1.0\n")
        (folder / "pyproject.toml").write_text("")
        self._programs.mkdir()
        self.have("v24.1.0")

    def have(self, node: str, *, ci: int = 0, build: int = 0, script: int = 0) -> None:
        """Have a Node.js of this version, and an npm that ends with these exit codes."""
        npm = NPM.format(calls=self._calls, ci=ci, build=build, script=script)
        for name, text in {"node": f"#!/bin/sh\necho {node}\n", "npm": npm}.items():
            program = self._programs / name
            program.write_text(text)
            program.chmod(0o755)

    def change(self, name: str) -> None:
        """Change a file of the client."""
        (self.web / name).write_text(f"another {name}")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the step, as make does."""
        path = f"{self._programs}{os.pathsep}/usr/bin{os.pathsep}/bin"
        environ = {"PATH": path, "PIP_NO_INDEX": "1", "HOME": str(self.folder)}
        return subprocess.run(
            [BASE_PYTHON, "-m", "deploy.local.web", *arguments],
            cwd=self.folder, env=environ, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def calls(self) -> list[str]:
        """What npm was called with since the last question."""
        calls = self._calls.read_text().splitlines() if self._calls.exists() else []
        self._calls.unlink(missing_ok=True)
        return calls


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_nothing_is_done_again_without_need(checkout: Checkout) -> None:
    done = checkout.run()
    assert done.returncode == 0, done.stdout
    assert checkout.calls() == [CI, BUILD]
    assert (checkout.dist / "index.html").read_text() == "first src/main.tsx"
    assert "built the browser client in" in done.stdout
    again = checkout.run()
    assert (again.returncode, again.stdout, checkout.calls()) == (0, "", [])
    checkout.change("src/main.tsx")
    assert checkout.run().returncode == 0
    assert checkout.calls() == [BUILD]
    assert (checkout.dist / "index.html").read_text() == "another src/main.tsx"
    checkout.change("package-lock.json")
    assert checkout.run().returncode == 0
    assert checkout.calls() == [CI, BUILD]
    shutil.rmtree(checkout.dist)
    assert checkout.run().returncode == 0
    assert checkout.calls() == [BUILD]


def test_tests_are_no_reason_to_build(checkout: Checkout) -> None:
    assert checkout.run().returncode == 0
    (checkout.web / "test").mkdir()
    checkout.change("test/main.test.ts")
    checkout.calls()
    assert checkout.run().returncode == 0
    assert checkout.calls() == []


def test_what_fails_leaves_the_former_build_and_says_why(checkout: Checkout) -> None:
    assert checkout.run().returncode == 0
    checkout.change("src/main.tsx")
    checkout.have("v24.1.0", build=1)
    failed = checkout.run("build", "--if-possible")
    assert failed.returncode == 1, "the client has a fault: that is not a matter of what is possible"
    assert "words of vite" in failed.stdout
    assert "npm run --silent build failed" in failed.stdout
    assert (checkout.dist / "index.html").read_text() == "first src/main.tsx"
    checkout.have("v24.1.0")
    assert checkout.run().returncode == 0
    assert (checkout.dist / "index.html").read_text() == "another src/main.tsx"
    assert sorted(path.name for path in checkout.web.glob("dist*")) == ["dist"]


def test_packages_that_cannot_be_had_are_told_and_tried_again(checkout: Checkout) -> None:
    checkout.have("v24.1.0", ci=1)
    failed = checkout.run()
    assert failed.returncode == 1
    assert "words of npm ci" in failed.stdout
    assert "npm config set registry" in failed.stdout
    lenient = checkout.run("build", "--if-possible")
    assert lenient.returncode == 0
    assert "going on without the browser client" in lenient.stdout
    assert not checkout.dist.exists()
    checkout.calls()
    checkout.have("v24.1.0")
    assert checkout.run().returncode == 0
    assert checkout.calls() == [CI, BUILD]


@pytest.mark.parametrize("version", ["v20.20.2", "v22.11.9", "nonsense"])
def test_a_node_that_is_too_old_is_replaced_or_told(checkout: Checkout, version: str) -> None:
    checkout.have(version)
    failed = checkout.run()
    assert failed.returncode == 1
    assert "installing from requirements-node.lock" in failed.stdout
    assert "built with Node.js 22.12 or newer" in failed.stdout
    assert checkout.calls() == []
    assert checkout.run("build", "--if-possible").returncode == 0


@pytest.mark.parametrize("task", ["check", "test"])
def test_checks_and_tests_end_as_npm_does(checkout: Checkout, task: str) -> None:
    assert checkout.run(task).returncode == 0
    assert checkout.calls() == [CI, f"run --silent {task}"]
    checkout.have("v22.12.0", script=3)
    failed = checkout.run(task)
    assert failed.returncode == 1
    assert f"npm run {task} failed" in failed.stdout
