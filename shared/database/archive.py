"""The file of a backup: a zip with each table as JSON lines and a manifest; neither is ever held in memory.

`tables/<name>.jsonl` has a row a line, a list in the order of the manifest's columns, bytes as base64.
`manifest.json`, written last, says what is in the file, of which moment, and the SHA-256 of each table's lines.
"""

import hashlib
import os
import secrets
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, Literal

import msgspec

FORMAT: Final = "parley-backup"
VERSION: Final = 1
MANIFEST: Final = "manifest.json"
MAX_MANIFEST_BYTES: Final = 4 * 1024 * 1024
CHUNK_BYTES: Final = 1024 * 1024
MAX_LINE_BYTES: Final = 64 * 1024 * 1024

Kind = Literal["text", "integer", "boolean", "bytes"]
Row = tuple[Any, ...]

_TYPES: Final[dict[Kind, Any]] = {
    "text": str | None,
    "integer": int | None,
    "boolean": bool | None,
    "bytes": bytes | None,
}
_encode_lines = msgspec.json.Encoder().encode_lines


class BrokenBackup(Exception):
    """The file is no backup, or not a whole one; the text says what was seen."""


class NotWritten(Exception):
    """The file can't be written; the text says why."""


class NewerBackup(Exception):
    """The file was written by a newer Parley; the text says what to do."""


class Position(msgspec.Struct, frozen=True):
    """How far a partition of a log had been applied, and announced."""

    partition: int
    log_id: str
    stream_seq: int
    announced_seq: int


class Column(msgspec.Struct, frozen=True):
    """A column of a table, by what is in it."""

    name: str
    kind: Kind


class Table(msgspec.Struct, frozen=True):
    """A table of the backup: its lines, and what they add up to."""

    columns: list[Column]
    rows: int
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What a backup holds, all of one moment. `left_out`: tables that are not in it, and why."""

    format: str
    version: int
    created_at: str
    database: str
    revision: str
    epoch: str | None
    positions: list[Position]
    left_out: dict[str, str]
    tables: dict[str, Table]

    @property
    def rows(self) -> int:
        """How many rows there are in all tables."""
        return sum(table.rows for table in self.tables.values())


class _Stamp(msgspec.Struct):
    format: str = ""
    version: int = 0


class Writer:
    """A backup being written: table after table, then `finish`; `with` it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, allowZip64=True)

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def table(self, name: str, columns: Sequence[Column], pages: Iterable[Sequence[Row]]) -> Table:
        """Write a table, page after page as they come."""
        rows = size = 0
        digest = hashlib.sha256()
        with self._zip.open(_member(name), "w", force_zip64=True) as member:
            for page in pages:
                lines = _encode_lines(page)
                member.write(lines)
                digest.update(lines)
                rows += len(page)
                size += len(lines)
        return Table(list(columns), rows, size, digest.hexdigest())

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest: without it, it is no backup."""
        self._zip.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2))


class Archive:
    """A backup to be read; `with` it.

    Raises:
        BrokenBackup, NewerBackup: at the begin, or while its rows are read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _reading(path):
            self._zip = zipfile.ZipFile(path)
        try:
            self.manifest = self._read_manifest()
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def pages(self, name: str) -> Iterator[list[Row]]:
        """Read the rows of a table, some at a time; what was read counts only when the end is reached without error.

        Raises:
            BrokenBackup: the table is not what the manifest says.
        """
        table = self.manifest.tables[name]
        decode = msgspec.json.Decoder(tuple[*(_TYPES[column.kind] for column in table.columns)]).decode_lines  # type: ignore[misc] # built here
        digest = hashlib.sha256()
        rows = 0
        with _reading(self.path), self._zip.open(_member(name)) as member:
            for lines in _whole_lines(member):
                digest.update(lines)
                page: list[Row] = decode(lines)
                rows += len(page)
                yield page
        if (rows, digest.hexdigest()) != (table.rows, table.sha256):
            raise BrokenBackup(f"{self.path}: the table {name} is not what the manifest says; take another backup")

    def verify(self) -> None:
        """Read everything back.

        Raises:
            BrokenBackup: something is missing, or not what it was.
        """
        for name in self.manifest.tables:
            for _page in self.pages(name):
                pass

    def _read_manifest(self) -> Manifest:
        with _reading(self.path), self._zip.open(MANIFEST) as member:
            text = member.read(MAX_MANIFEST_BYTES)
            stamp = msgspec.json.decode(text, type=_Stamp)
            if stamp.format != FORMAT:
                raise BrokenBackup(f"{self.path} is no backup of Parley")
            if stamp.version > VERSION:
                raise NewerBackup(
                    f"{self.path} has format {stamp.version}, this Parley knows {VERSION}: "
                    "restore it with the version that wrote it, or a newer one"
                )
            return msgspec.json.decode(text, type=Manifest)


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """Write a file under a temporary name beside it, readable by its owner alone; it has its name once it is on disk.

    Raises:
        NotWritten: it can't be written, or there is one of this name already.
    """
    if path.exists():
        raise NotWritten(f"{path} exists already: name another file")
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
        _sync_directory(path.parent)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise NotWritten(f"{path} can't be written: {error.strerror or error}") from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _member(name: str) -> str:
    return f"tables/{name}.jsonl"


def _whole_lines(member: IO[bytes]) -> Iterator[bytes]:
    """Read about a mebibyte at a time, to the end of a line."""
    left = b""
    while chunk := member.read(CHUNK_BYTES):
        lines, newline, rest = (left + chunk).rpartition(b"\n")
        left = rest
        if newline:
            yield lines + newline
        elif len(left) > MAX_LINE_BYTES:
            raise ValueError("a line has no end")
    if left:
        raise ValueError("the last line has no end")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise BrokenBackup(f"there is no file {path}") from error
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, ValueError, NotImplementedError, OSError) as error:
        reason = str(error) or type(error).__name__
        raise BrokenBackup(f"{path} is no backup, or not a whole one: {reason}") from error
