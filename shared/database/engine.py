"""Engines for both databases, with the settings that durability and concurrency rest on."""

import ssl
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

Role = Literal["reader", "writer"]

KEY_LOOKUPS: Final = {
    # A statement planned once, while its tables were small, keeps reading them from end to end as they grow. Whoever
    # asks by key only rules that out, instead of hoping for statistics.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}
"""PostgreSQL's planner settings for connections all of whose hot statements are look-ups by key."""

SQLITE_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",  # a commit survives a power cut
    "busy_timeout=5000",
    "wal_autocheckpoint=8192",  # 32 MiB: rewriting hot pages once in a while, not every few commits
    "cache_size=-65536",
    "temp_store=MEMORY",
    "mmap_size=268435456",
)


def is_sqlite(url: str) -> bool:
    """Tell whether a database URL names a SQLite file."""
    return sa.make_url(url).get_backend_name() == "sqlite"


def open_engine(
    url: str, role: Role, *, pool_size: int = 5, planner: Mapping[str, str] = MappingProxyType({})
) -> AsyncEngine:
    """Open a database for asyncio: `sqlite+aiosqlite:///path` or `postgresql+asyncpg://…`.

    A SQLite writer has one connection and begins every transaction IMMEDIATE (a deferred one fails at once when it
    turns into a writer); readers see one snapshot per transaction. Dispose of it: aiosqlite's threads live until then.
    `planner`: settings for PostgreSQL's planner, for instance KEY_LOOKUPS. TLS as libpq has it: `?sslmode=verify-full`
    with `&sslrootcert=FILE` where no authority of the machine vouches for the server.
    """
    if is_sqlite(url):
        engine = create_async_engine(
            url, pool_size=1 if role == "writer" else pool_size, max_overflow=0, hide_parameters=True
        )
        _prepare_sqlite(engine.sync_engine, role)
        return engine
    plain, tls = _tls(sa.make_url(url))
    arguments: dict[str, Any] = {} if tls is None else {"ssl": tls}
    if planner:
        arguments["server_settings"] = dict(planner)
    return create_async_engine(plain, pool_size=pool_size, max_overflow=0, connect_args=arguments, hide_parameters=True)


def _tls(url: sa.URL) -> tuple[sa.URL, ssl.SSLContext | str | None]:
    """Take out of a URL what libpq's words say about TLS, which the driver knows by another name."""
    mode, roots = (url.query.get(name) for name in ("sslmode", "sslrootcert"))
    plain = url.difference_update_query(["sslmode", "sslrootcert"])
    if roots is None and mode not in {"verify-ca", "verify-full"}:
        return plain, str(mode) if mode else None
    context = ssl.create_default_context(cafile=str(roots) if roots else None)
    context.check_hostname = mode != "verify-ca"
    return plain, context


def open_sync_sqlite(url: str) -> sa.Engine:
    """Open a SQLite writer whose whole transaction runs as one function in one thread (ADR 1)."""
    plain = sa.make_url(url).set(drivername="sqlite+pysqlite")
    engine = sa.create_engine(
        plain,
        poolclass=sa.pool.StaticPool,
        connect_args={"check_same_thread": False, "cached_statements": 256},
        hide_parameters=True,  # here and above: errors are logged, and parameters are what people wrote
    )
    _prepare_sqlite(engine, "writer")
    return engine


def _prepare_sqlite(engine: sa.Engine, role: Role) -> None:
    begin = "BEGIN IMMEDIATE" if role == "writer" else "BEGIN"

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself: it would leave reads outside
        for pragma in SQLITE_PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").close()

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)
