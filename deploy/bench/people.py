"""The users of a measurement: registered, or read from a file of tokens."""

import asyncio
import secrets
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

SIDE_BY_SIDE = 4


@dataclass(frozen=True)
class Person:
    """A user and the headers that sign a handshake in."""

    username: str
    headers: tuple[tuple[str, str], ...]


async def register(url: str, count: int) -> list[Person]:
    """Register `count` users; their sockets sign in by session cookie, which saves a hash each.

    Raises:
        httpx.HTTPStatusError: the deployment refuses, for example because of its rate limits.
    """
    run = secrets.token_hex(4)
    turns = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(number: int) -> Person:
        username = f"bench-{run}-{number}"
        body = {"username": username, "password": secrets.token_urlsafe(12)}
        async with turns, httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as http:
            answer = await http.post("/api/v1/auth/register", json=body)
            answer.raise_for_status()
            cookie = "; ".join(f"{name}={value}" for name, value in http.cookies.items())
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        return Person(username, (("Cookie", cookie), ("Origin", origin)))

    return await asyncio.gather(*(one(number) for number in range(count)))


def from_file(path: Path) -> list[Person]:
    """Read lines of `username token`."""
    pairs = [line.split() for line in path.read_text().splitlines() if line.strip()]
    return [Person(name, (("Authorization", f"Bearer {token}"),)) for name, token in pairs]
