"""The faults: each breaks one thing, holds it broken for a while, and says in words what it did.

Owns what can go wrong. Owns no order of it: `run` draws by chance from a seed.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable

from app.faults.proxy import Proxy
from app.faults.servers import signal_postgres
from app.faults.stage import Stage
from models.database import CONNECTION_LOST

Fault = Callable[[Stage, random.Random], Awaitable[str]]

CLOCK_JUMP_SECONDS_MAX = 7_200


async def server_killed(stage: Stage, chance: random.Random) -> str:
    victims = chance.sample(stage.servers, chance.choice((1, 1, 1, 2)))
    for server in victims:
        await server.end(signal.SIGKILL)
    await stage.servers_ready()
    return f"{len(victims)} of {len(stage.servers)} servers killed (-9)"


async def server_stopped(stage: Stage, chance: random.Random) -> str:
    seconds = await chance.choice(stage.servers).end(signal.SIGTERM)
    await stage.servers_ready()
    return f"a server stopped with SIGTERM, gone in {seconds:.1f} s"


async def rolling_restart(stage: Stage, chance: random.Random) -> str:
    for server in stage.servers:
        await server.end(signal.SIGTERM)
        await stage.servers_ready()
    return "a rolling restart of both servers"


async def listen_terminated(stage: Stage, chance: random.Random) -> str:
    ended = await _terminate(stage, "application_name = 'listen usage_feed'")
    return "" if not ended else f"{ended} LISTEN connections terminated"


async def sessions_terminated(stage: Stage, chance: random.Random) -> str:
    ended = await _terminate(stage, "backend_type = 'client backend'")
    return f"{ended} database sessions terminated"


_TERMINATE = """select count(pg_terminate_backend(pid)) from pg_stat_activity
  where pid <> pg_backend_pid() and """


async def _terminate(stage: Stage, which: str) -> int:
    try:
        return await stage.db.fetchval(_TERMINATE + which)
    except CONNECTION_LOST:
        return 0


async def database_restarted(stage: Stage, chance: random.Random) -> str:
    how = chance.choice((signal.SIGINT, signal.SIGQUIT))
    signal_postgres(stage.folder / "database", how)
    await asyncio.sleep(0.5)
    await stage.database_answers()
    return f"the database restarted ({'fast' if how is signal.SIGINT else 'immediate'})"


async def _cut(link: Proxy, seconds: float) -> str:
    link.cut()
    return "cut"


async def _half_closed(link: Proxy, seconds: float) -> str:
    link.half_close()
    return "half-closed"


async def _stalled(link: Proxy, seconds: float) -> str:
    link.stall()
    await asyncio.sleep(seconds)
    link.resume()
    return f"stalled for {seconds:.1f} s"


async def _slow(link: Proxy, seconds: float) -> str:
    link.delay(0.2)
    await asyncio.sleep(seconds)
    link.resume()
    return f"200 ms slow for {seconds:.1f} s"


def _ways_of(name: str, words: str, link: Callable[[Stage], Proxy | None]) -> list[Fault]:
    """Every way in which a connection through a proxy breaks."""

    def fault_of(breaks: Callable[[Proxy, float], Awaitable[str]]) -> Fault:
        async def fault(stage: Stage, chance: random.Random) -> str:
            proxy = link(stage)
            return f"{words} {await breaks(proxy, chance.uniform(0.5, 6.0))}" if proxy else ""

        fault.__name__ = f"{name}{breaks.__name__}"
        return fault

    return [fault_of(breaks) for breaks in (_cut, _half_closed, _stalled, _slow)]


async def notify_storm(stage: Stage, chance: random.Random) -> str:
    channel = chance.choice(("another", "usage_feed"))
    for n in range(20):
        try:
            await stage.db.execute(
                "select pg_notify($1, $2 || i::text) from generate_series(1, 500) i",
                channel,
                f"storm {n} ",
            )
        except CONNECTION_LOST:
            await stage.database_answers()
    return f"10,000 notifications on the channel {channel}"


async def clock_jumped(stage: Stage, chance: random.Random) -> str:
    if stage.clock is None:
        return ""
    jump = chance.choice((-1, 1)) * chance.randint(60, CLOCK_JUMP_SECONDS_MAX)
    stage.clock.write_text(str(jump))
    await asyncio.sleep(chance.uniform(0.5, 4.0))
    stage.clock.write_text("0")
    return f"a server's clock jumped by {jump:+} s and back"


async def redis_away(stage: Stage, chance: random.Random) -> str:
    if stage.redis is None:
        return ""
    kill, seconds = chance.random() < 0.5, chance.uniform(0.0, 4.0)
    await asyncio.to_thread(stage.redis.stop, kill)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(stage.redis.start)
    return f"Redis {'killed' if kill else 'stopped'}, back after {seconds:.1f} s"


EVERYWHERE: tuple[Fault, ...] = (
    server_killed,
    server_stopped,
    rolling_restart,
    listen_terminated,
    sessions_terminated,
    database_restarted,
    notify_storm,
    clock_jumped,
    *_ways_of("database_link", "the way to the database", lambda stage: stage.to_database),
    *_ways_of("client_link", "the way to the servers", lambda stage: stage.to_servers),
)
OF_REDIS: tuple[Fault, ...] = (
    redis_away,
    redis_away,
    *_ways_of("redis_link", "the way to Redis", lambda stage: stage.to_redis),
)
