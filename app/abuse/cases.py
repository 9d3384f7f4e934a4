"""What a case is, and how its attempts are made and measured."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.abuse.stage import Stage
from app.abuse.wire import exchanged, request

JSON = {
    "Content-Type": "application/json",
    "Accept": "application/graphql-response+json",
}

PER_SECOND = 50.0
"""What an account may ask on the average: whoever asks more is told to come back."""

Attempt = Callable[[Stage], Awaitable[str]]
"""Makes one attempt and says, in a few words, what it was answered with."""


@dataclass(frozen=True)
class Case:
    """One abuse and the only answer to it. An attempt may consist of `parts`, such as a thousand
    sockets, each of which may cost what an attempt may cost.
    """

    name: str
    answer: str
    attempt: Attempt
    times: int = 20
    parts: int = 1
    waits: bool = False
    """Whether the server must lose its patience first: such cases run side by side."""

    is_shown: bool = False
    """Whether it goes to the server with introspection on."""

    is_long: bool = False
    """Whether the short form leaves it out."""


@dataclass(frozen=True)
class Result:
    """What came of a case."""

    case: Case
    answers: Counter[str]
    cpu_seconds: float
    """Per attempt, or part of one."""

    @property
    def is_refused(self) -> bool:
        """Whether every attempt got the answer it must get."""
        return set(self.answers) == {self.case.answer}


async def carry_out(case: Case, stage: Stage, share: float, idle_cpu: float) -> Result:
    """Make a share of a case's attempts, one after the other, at most `PER_SECOND`.

    `idle_cpu` is what the server uses anyway, in seconds per second: it is taken off.
    """
    target = replace(stage, server=stage.open) if case.is_shown else stage
    times = max(1, round(case.times * share))
    used, began = target.server.cpu_seconds, time.monotonic()
    answers: Counter[str] = Counter()
    for number in range(times):
        await asyncio.sleep(began + number / PER_SECOND - time.monotonic())
        answers[await case.attempt(target)] += 1
    anyway = 0.0 if case.is_shown else idle_cpu * (time.monotonic() - began)
    cost = max(0.0, target.server.cpu_seconds - used - anyway)
    return Result(case, answers, cost / (times * case.parts))


async def carry_out_together(cases: Sequence[Case], stage: Stage, idle_cpu: float) -> list[Result]:
    """Make one attempt at each of the cases at once; all of them have cost the same, on average."""
    used, began = stage.server.cpu_seconds, time.monotonic()
    answers = await asyncio.gather(*(case.attempt(stage) for case in cases))
    anyway = idle_cpu * (time.monotonic() - began)
    cost = max(0.0, stage.server.cpu_seconds - used - anyway)
    each = cost / sum(case.parts for case in cases)
    return [
        Result(case, Counter([answer]), each) for case, answer in zip(cases, answers, strict=True)
    ]


def posting(
    body: bytes | Callable[[Stage], bytes],
    *,
    token: Callable[[Stage], str] = Stage.token,
    headers: Mapping[str, str] = JSON,
) -> Attempt:
    """POSTs a body to `/graphql` with somebody's credential."""

    async def attempt(stage: Stage) -> str:
        given = {**headers, "Authorization": f"Bearer {token(stage)}"}
        content = body if isinstance(body, bytes) else body(stage)
        return await exchanged(stage.server.port, request("POST", "/graphql", given, content))

    return attempt


def sending(data: bytes | Callable[[Stage], bytes]) -> Attempt:
    """Sends bytes and takes the first answer."""

    async def attempt(stage: Stage) -> str:
        return await exchanged(stage.server.port, data if isinstance(data, bytes) else data(stage))

    return attempt


def by_service(stage: Stage) -> str:
    """The credential of a service that may do everything."""
    return stage.service_key
