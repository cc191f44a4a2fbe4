"""How many of an engine's connections are in use: what waits for one waits for the database."""

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool


def pool_room(engine: AsyncEngine) -> int:
    """Tell how many connections an engine may have at once."""
    pool = engine.pool
    return pool.size() if isinstance(pool, QueuePool) else 1


def pool_in_use(engine: AsyncEngine) -> int:
    """Tell how many connections of an engine are lent right now."""
    pool = engine.pool
    return pool.checkedout() if isinstance(pool, QueuePool) else 0
