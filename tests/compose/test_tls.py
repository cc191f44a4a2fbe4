"""TLS between the services and the broker and the database: all is healthy, and nobody gets in without."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.compose.test_cluster import NODES
from tests.support.compose import ComposeError, Project
from tests.support.talk import talk

VERIFIED = "?sslmode=verify-full&sslrootcert=/run/secrets/tls_authority"
PLAINLY = (
    "import asyncio, sys; import asyncpg;"
    "url = open('/run/secrets/database_url').read().strip().replace('+asyncpg', '').partition('?')[0];"
    "asyncio.run(asyncpg.connect(url, ssl={ssl}))"
)
GREET = (
    "import socket, json; s = socket.create_connection(({host!r}, 4222), 5); s.settimeout(5);"
    "info = json.loads(s.recv(65536).split(b' ', 1)[1]); assert info['tls_required'];"
    "s.sendall(b'CONNECT {{}}\\r\\nPING\\r\\n');\n"
    "try:\n    said = s.recv(65536)\nexcept OSError:\n    said = b''\n"
    "print('PONG' if b'PONG' in said else 'refused')"
)


def make_certificates(folder: Path, database_url: str) -> None:
    """Put there what an operator brings."""
    folder.mkdir()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    for name, hosts in (("nats", NODES), ("postgres", ("postgres",))):
        certificate = authority.issue_cert(*hosts)
        certificate.cert_chain_pems[0].write_to_path(str(folder / f"{name}.pem"))
        certificate.private_key_pem.write_to_path(str(folder / f"{name}.key"))
    (folder / "database_url").write_text(database_url + VERIFIED)


@pytest.fixture(scope="module", params=["one node", "three nodes"])
def encrypted(
    request: pytest.FixtureRequest, images: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """An installation with TLS everywhere."""
    folder = tmp_path_factory.mktemp("tls")
    is_cluster = request.param == "three nodes"
    nodes = NODES if is_cluster else NODES[:1]
    with Project(folder, files=["deploy/compose/tls.yml"], profiles=["cluster"] if is_cluster else []) as project:
        make_certificates(folder / "tls", (project.secrets / "database_url").read_text().strip())
        project.settings |= {
            "PARLEY_TLS": str(folder / "tls"),
            "PARLEY_NATS_URL": ",".join(f"tls://{node}:4222" for node in nodes),
            "PARLEY_STREAM_REPLICAS": str(len(nodes)),
            "NATS_CONFIG": "cluster_tls.conf" if is_cluster else "tls.conf",
        }
        project.up()
        yield project


async def test_people_talk(encrypted: Project) -> None:
    async with talk(encrypted.url) as heard:
        await heard.goes_on()


def test_nobody_gets_to_the_broker_without_tls(encrypted: Project) -> None:
    nodes = NODES if "nats-3" in encrypted.settings["PARLEY_NATS_URL"] else NODES[:1]
    for node in nodes:
        assert encrypted.exec("history", "python", "-c", GREET.format(host=node)).strip() == "refused"


def test_nobody_gets_to_the_database_without_tls(encrypted: Project) -> None:
    encrypted.exec("history", "python", "-c", PLAINLY.format(ssl="'require'"))
    with pytest.raises(ComposeError, match=r"no pg_hba.conf entry|no encryption"):
        encrypted.exec("history", "python", "-c", PLAINLY.format(ssl="False"))


def test_a_certificate_of_another_authority_is_not_taken(encrypted: Project) -> None:
    other = Path(encrypted.folder / "other")
    other.mkdir(exist_ok=True)
    trustme.CA().cert_pem.write_to_path(str(other / "authority.pem"))
    for name in ("nats.pem", "nats.key", "postgres.pem", "postgres.key", "database_url"):
        (other / name).write_bytes((Path(encrypted.settings["PARLEY_TLS"]) / name).read_bytes())
    environ = encrypted.settings
    encrypted.settings = environ | {"PARLEY_TLS": str(other)}
    try:
        with pytest.raises(ComposeError, match=r"certificate verify failed|CERTIFICATE_VERIFY_FAILED"):
            encrypted.compose("run", "--rm", "--no-TTY", "--no-deps", "cli", "migrate", "--timeout", "5")
    finally:
        encrypted.settings = environ
