"""Who gets what: every field of the schema, every kind of caller, every door.

matrix.txt is the expectation and is read by people; what is asked is made of the schema. A field
without a row fails, and so does a row without a field.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema

from tests.api.support import Caller, served
from tests.safe import doors, world
from tests.safe.doors import FORBIDDEN, NOTHING, VALUE, Answer
from tests.safe.ways import Asked, every_way
from tests.safe.world import CALLERS, NOBODY, World

HERE = Path(__file__).resolve().parent
SCHEMA = HERE.parent.parent / "schema" / "schema.graphql"
ROUTES = HERE.parent.parent / "app" / "asgi.py"
TABLE = HERE / "matrix.txt"
UNLIMITED: dict[str, Any] = {"customer_requests_per_second": 0, "service_requests_per_second": 0}
TOGETHER = 24
"""Fields asked for in one operation, at two aliases each: an operation may have 50."""

AT_ONCE = 50

Ask = Callable[[Caller, str], Awaitable[Answer]]


class Seen:
    """What every caller got for every row, through all doors."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.letters: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(dict)
        self.texts: dict[str, list[str]] = defaultdict(list)
        self.faults: list[str] = []

    async def of(self, who: str, ways: Sequence[Asked]) -> None:
        """Ask for everything as one caller, through every door that is for it."""
        reads = [way for way in ways if way.operation == "query"]
        retries = [way for way in ways if way.operation == "mutation" and not way.is_root]
        others = [way for way in ways if way.operation != "query" and way not in retries]
        async with doors.socket(self.world.callers[who]) as socket:
            through = {"POST": doors.post, "GET": doors.get, "SSE": doors.stream, "WS": socket.ask}
            async with self._still(who):
                for door, ask in through.items():
                    for some in _together(reads):
                        await self._ask(who, door, ask, some)
                for some in _together(retries):
                    await self._ask(who, "POST", doors.post, some)
                alone = [*{way.row: way for way in reversed(reads)}.values(), *retries]
                for n in range(0, len(alone), AT_ONCE):
                    some = alone[n : n + AT_ONCE]
                    await asyncio.gather(*(self._ask(who, "WS", socket.ask, [w]) for w in some))
            for asked in others:
                live = asked.operation == "subscription"
                for door in ("SSE", "WS") if live else ("POST", "SSE", "WS"):
                    await self._watched(who, door, through[door], asked)
                await self._shut(who, "POST" if live else "GET", through, asked)

    async def _ask(self, who: str, door: str, ask: Ask, some: Sequence[Asked]) -> str:
        answer = await ask(self.world.callers[who], doors.document(some, self.world.names))
        self.texts[who].append(answer.text)
        letter = ""
        if len(some) > 1 and some[0].operation == "mutation" and answer.codes() == {"FORBIDDEN"}:
            return letter  # one that was refused takes its neighbours along; each is asked alone
        for place, asked in enumerate(some):
            letter = answer.letter(asked, f"r{place}")
            self.letters[asked.row, who].setdefault(letter, []).append(f"{door} {asked.root}")
        return letter

    async def _watched(self, who: str, door: str, ask: Ask, asked: Asked) -> None:
        """Ask, and see whether anything moved: where a write was let in, and nowhere else."""
        before = await self.world.ledger()
        letter = await self._ask(who, door, ask, [asked])
        moved = await self.world.ledger() != before
        if moved != (letter == VALUE and asked.row.startswith("Mutation.")):
            self.faults.append(f"{asked.row} {who} {door}: {letter}, moved: {moved}")

    async def _shut(self, who: str, door: str, through: Mapping[str, Ask], asked: Asked) -> None:
        """Ask through a door that is not for this operation."""
        document = doors.document([asked], self.world.names)
        async with self._still(f"{asked.row} {who}"):
            answer = await through[door](self.world.callers[who], document)
        wanted = 401 if who in NOBODY else {"GET": 405, "POST": 400}[door]
        if answer.status != wanted or "data" in answer.body:
            self.faults.append(f"{asked.row} {who} {door}: {answer.status} instead of {wanted}")

    async def paths_of(self, who: str) -> None:
        """Ask for every path, as a browser would."""
        for path in paths():
            answer = await doors.page(self.world.callers[who], path, self.world.names["account"])
            self.texts[who].append(answer.text)
            self.letters[path, who] = {doors.STATUSES[answer.status]: [f"GET {path}"]}

    @asynccontextmanager
    async def _still(self, what: str) -> AsyncGenerator[None]:
        """Nothing moves meanwhile."""
        before = await self.world.ledger()
        yield
        if await self.world.ledger() != before:
            self.faults.append(f"{what}: something moved")


def _together(ways: Sequence[Asked]) -> Iterator[list[Asked]]:
    """Ways that one operation can ask for: with one kind of root, because one that is refused where
    null is not allowed takes its neighbours along.
    """
    by_root: dict[str, list[Asked]] = defaultdict(list)
    for asked in ways:
        by_root[asked.operation + asked.root.partition("(")[0].partition(" ")[0]].append(asked)
    for same in by_root.values():
        for n in range(0, len(same), TOGETHER):
            yield same[n : n + TOGETHER]


def expected() -> dict[str, list[str]]:
    """The table: a row's letters by caller."""
    lines = [line for line in TABLE.read_text().splitlines() if line and line[0] != "#"]
    rows = [re.split(r"  +", line, maxsplit=1) for line in lines]
    assert len({name for name, _ in rows}) == len(rows), "a row is there twice"
    return {name: letters.split() for name, letters in rows}


def paths() -> list[str]:
    """Every path that the application answers on."""
    return sorted(set(re.findall(r'"(/[^"]*)"', ROUTES.read_text())))


def wrong(seen: Seen, callers: Sequence[str]) -> list[str]:
    """What was seen and is not as the table says."""
    table = expected()
    return [
        f"{row} for {who}: {letter} instead of {table[row][CALLERS.index(who)]} by {ways[0]}"
        for (row, who), letters in seen.letters.items()
        for letter, ways in letters.items()
        if who in callers and letter != table[row][CALLERS.index(who)]
    ]


def values_shown(seen: Seen, who: str) -> list[str]:
    """Rows whose table says nothing for this caller, and which showed something."""
    column = CALLERS.index(who)
    return [
        row
        for row, letters in expected().items()
        if letters[column] in (NOTHING, FORBIDDEN) and VALUE in seen.letters[row, who]
    ]


def _is_refusal(row: str) -> bool:
    """Whether the row is how a write says that it did not happen, or no row about an account."""
    kind = build_schema(SCHEMA.read_text()).get_type(row.partition(".")[0])
    interfaces = [interface.name for interface in getattr(kind, "interfaces", ())]
    is_write = row.startswith(("Mutation.", "Refused.")) or row.endswith("Input.recordedAt")
    return is_write or "Refused" in interfaces or row == "/metrics"


def test_every_field_every_import_and_every_path_has_a_row_and_no_row_is_left_over() -> None:
    asked = {asked.row for asked in every_way(build_schema(SCHEMA.read_text()))}
    assert set(expected()) == asked | set(paths())
    assert {len(letters) for letters in expected().values()} == {len(CALLERS)}


# 30 s alone, and 170 beside much else. An alarm that falls into a callback of the loop is taken by
# asyncio for a lost connection: it would not end the test, but one of its writes.
@pytest.mark.timeout(600)
async def test_every_caller_gets_what_the_table_says_through_every_door(
    database_url: str, tmp_path: Path
) -> None:
    ways = list(every_way(build_schema(SCHEMA.read_text())))
    async with served(database_url, tmp_path, **UNLIMITED) as api, world.made(api) as made:
        seen = Seen(made)
        for who in CALLERS:
            await seen.of(who, ways)
            await seen.paths_of(who)
    assert len(seen.letters) == len(expected()) * len(CALLERS)
    assert wrong(seen, CALLERS) == []
    assert seen.faults == []
    own = "".join(seen.texts["own"])
    assert sum(secret in own for secret in made.secrets) >= 8, "a stranger could be shown these"
    for who in (*NOBODY, "other"):
        assert [secret for secret in made.secrets if secret in "".join(seen.texts[who])] == []


@pytest.fixture
def no_first_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    """No resolver refuses anything to anybody."""

    def admit_all(*_: Any) -> bool:
        return True

    checking = [module for module in sys.modules.values() if hasattr(module, "admit")]
    assert {module.__name__ for module in checking} >= {"resolvers.writing", "schema.queries"}
    for module in checking:
        monkeypatch.setattr(module, "admit", admit_all)


async def test_with_the_resolvers_check_gone_the_database_alone_lets_nothing_through(
    database_url: str, tmp_path: Path, no_first_fence: None
) -> None:
    ways = list(every_way(build_schema(SCHEMA.read_text())))
    async with served(database_url, tmp_path, **UNLIMITED) as api, world.made(api) as made:
        seen = Seen(made)
        before = await made.ledger()
        await seen.of("other", ways)
        await seen.paths_of("other")
        assert await made.ledger() == before
        assert [secret for secret in made.secrets if secret in "".join(seen.texts["other"])] == []
        assert [row for row in values_shown(seen, "other") if not _is_refusal(row)] == []
        await seen.of("own", [way for way in ways if way.operation != "mutation"])
    assert wrong(seen, ["own"]) == []
