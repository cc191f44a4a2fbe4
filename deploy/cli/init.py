"""`parley init`: the secrets of an installation, made once; and made anew, one by one."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from deploy.cli.output import Refused, show_json, tell
from deploy.cli.rotation import Step, steps_after
from deploy.cli.secret_files import CLUSTER, NAMES, USERS, Places, SecretFiles
from deploy.cli.settings import CliSettings

PROFILES: Final = ("cluster", "edge", "monitoring")
EDGE: Final = "edge"
NODES: Final = ("nats", "nats-2", "nats-3")
NATS_PORT: Final = 4222
_ALL: Final = "all"
_UP: Final = Step("start the system", "docker compose up -d")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "init",
        help="make the keys and passwords of an installation, or make some anew",
        description="Make a key for each service and for the operator, the broker's users out of them, and the "
        "passwords of the database, of the cluster's routes and of Grafana: all at random, each in a file. Nothing "
        "that is there is overwritten, unless it is named after --rotate.",
        epilog="examples: parley init · parley init --env .env --profile edge --public-url https://chat.example.org · "
        "parley init --refresh · parley init --rotate nats_gateway",
    )
    parser.add_argument("--dir", type=Path, default=Path("secrets"), metavar="DIR", help="where they go (secrets)")
    doing = parser.add_mutually_exclusive_group()
    doing.add_argument(
        "--rotate", nargs="+", choices=(*NAMES, _ALL), metavar="NAME", help=f"make anew: {', '.join(NAMES)}, or all"
    )
    doing.add_argument(
        "--refresh",
        action="store_true",
        help="make what is missing, and write the broker's users again for the keys that are there: after an upgrade",
    )
    parser.add_argument(
        "--database-host",
        default="postgres",
        metavar="HOST",
        help="where PostgreSQL is (postgres)",
    )
    parser.add_argument(
        "--nodes", nargs="+", default=NODES, metavar="HOST", help=f"the broker's nodes ({' '.join(NODES)})"
    )
    parser.add_argument("--env", type=Path, metavar="FILE", help="also write settings for Compose, for instance .env")
    parser.add_argument(
        "--profile", action="append", default=[], choices=PROFILES, help="a part that is to run too (with --env)"
    )
    parser.add_argument("--public-url", metavar="URL", help="where people reach the system (with --env)")
    parser.add_argument("--port", type=int, default=8080, metavar="N", help="the gateway's port (with --env; 8080)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run, refuse=parser.error, needs_settings=False)


def run(arguments: argparse.Namespace, _settings: CliSettings | None) -> int:
    """Make them, and say what to do next.

    Raises:
        Refused: some are there already, or the directory can't be written.
    """
    if (arguments.profile or arguments.public_url) and arguments.env is None:
        arguments.refuse("--profile and --public-url are written into the file of --env")
    if arguments.env is not None and (arguments.rotate or arguments.refresh):
        arguments.refuse("--env goes with the first time")
    settings = _compose_settings(arguments) if arguments.env is not None else ""
    files = SecretFiles(arguments.dir, Places(arguments.database_host, tuple(arguments.nodes)))
    try:
        made, steps = _make(files, arguments)
        if arguments.env is not None:
            _write_settings(arguments.env, settings)
            made.append(str(arguments.env))
    except OSError as error:
        raise Refused(f"{error.filename or arguments.dir} can't be written: {error.strerror}") from error
    _report(arguments.dir, made, steps, as_json=arguments.json)
    return 0


def _make(files: SecretFiles, arguments: argparse.Namespace) -> tuple[list[str], Sequence[Step]]:
    if arguments.rotate:
        names = NAMES if _ALL in arguments.rotate else tuple(dict.fromkeys(arguments.rotate))
        return files.rotate(names), steps_after(names)
    if arguments.refresh:
        made = files.refresh()
        return made, steps_after((USERS,)) if USERS in made else ()
    if arguments.env is not None and arguments.env.exists():
        raise Refused(f"{arguments.env} is there already: take it away, or leave --env out")
    return files.make_all(), (_UP,)


def _compose_settings(arguments: argparse.Namespace) -> str:
    """Write what Compose reads: no secrets.

    Raises:
        Refused: an address or a port that can't be one.
    """
    url = _checked_url(arguments.public_url or f"http://127.0.0.1:{arguments.port}")
    if EDGE in arguments.profile and not url.startswith("https://"):
        raise Refused("the edge serves https: give its address with --public-url https://...")
    is_cluster = CLUSTER in arguments.profile
    nodes = tuple(arguments.nodes) if is_cluster else tuple(arguments.nodes)[:1]
    values = {
        "PARLEY_PUBLIC_URL": url,
        "PARLEY_PORT": str(arguments.port),
        "COMPOSE_PROFILES": ",".join(dict.fromkeys(arguments.profile)),
        "PARLEY_NATS_URL": ",".join(f"nats://{node}:{NATS_PORT}" for node in nodes),
        "PARLEY_STREAM_REPLICAS": str(len(nodes)),
        "NATS_CONFIG": "cluster.conf" if is_cluster else "nats.conf",
    }
    if EDGE in arguments.profile:
        values["COMPOSE_FILE"] = "docker-compose.yml:deploy/compose/behind-edge.yml"
        values["EDGE_HOST"] = urlsplit(url).hostname or ""
    lines = "".join(f"{name}={value}\n" for name, value in values.items())
    return f"# Made by `parley init`; no secrets, to be changed as you like.\n{lines}"


def _checked_url(text: str) -> str:
    try:
        url = urlsplit(text)
        is_address = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        is_address = False
    if not is_address or url.path.strip("/") or url.query or url.fragment or url.username:
        raise Refused(f"--public-url is {text!r}: write https://HOST or http://HOST:PORT, without a path")
    return f"{url.scheme}://{url.netloc}"


def _write_settings(path: Path, text: str) -> None:
    with path.open("x") as file:
        file.write(text)


def _report(directory: Path, made: Sequence[str], steps: Sequence[Step], *, as_json: bool) -> None:
    if as_json:
        show_json({"dir": str(directory), "made": list(made), "next": [step._asdict() for step in steps]})
        return
    tell(f"made in {directory}: {', '.join(made)}" if made else f"everything is there in {directory}")
    if steps:
        tell("next:")
    for number, step in enumerate(steps, 1):
        tell(f"  {number}. {step.what}")
        for line in step.command.splitlines():
            tell(f"       {line}")
