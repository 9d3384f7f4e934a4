"""Driving a server with a trace: accounts side by side, each account's steps one after the other.

Owns the order: an account's next steps are sent after its previous ones were answered, in requests
that execute them in their order, so that any run, and any second run after a kill, ends in the same
ledger. Owns no request (`operations`) and no arithmetic (`trace`).
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from app.client import PATIENCE_SECONDS, Api, ApiError
from app.replay.operations import (
    ROOTS_MAX,
    Answer,
    ended_jobs,
    grant_credits,
    open_accounts,
    start_and_finish_jobs,
)
from app.replay.trace import AccountTrace, Finish, Grant, Open, Start, Step

POLL_SECONDS = 0.25
UNKNOWN_PAUSE_SECONDS = 0.5
REFUSALS_SHOWN_MAX = 10
AWAITED_REFUND_STEPS = 1_000
"""A refund that the sweep books is waited for about as long as so many steps take."""
OUT_OF_ORDER = (
    "The database lost a connection, and the step was booked behind a later one of its account."
)


@dataclass(slots=True)
class Tally:
    """What became of the steps sent."""

    booked: int = 0
    replayed: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])
    refusals: list[str] = field(default_factory=list[str])

    def refuse(self, account: str, step: Step, answer: Answer) -> None:
        """Count a refusal, and remember the first few."""
        self.refused[str(answer.refusal)] += 1
        if len(self.refusals) < REFUSALS_SHOWN_MAX:
            what = type(step).__name__.lower()
            self.refusals.append(
                f"account {account}, row {step.row}, {what}: {answer.refusal}. {answer.message}"
            )


@dataclass(slots=True)
class _Stream:
    """One account's place in its trace."""

    account: AccountTrace
    account_id: str = ""
    position: int = 0
    was_overtaken: bool = False
    """Whether a later step was booked while it was unknown what became of this one."""

    @property
    def left(self) -> int:
        return len(self.account.steps) - self.position

    @property
    def takes_long(self) -> int:
        """How long the account is to take from here, in steps."""
        left = self.account.steps[self.position :]
        return len(left) + sum(AWAITED_REFUND_STEPS for s in left if _is_silent(s))

    @property
    def step(self) -> Step:
        return self.account.steps[self.position]

    def run(self, most: int) -> list[Start | Finish]:
        """The next steps that may go together: up to one whose job the sweep must end."""
        run: list[Start | Finish] = []
        for step in self.account.steps[self.position : self.position + most]:
            if isinstance(step, Start | Finish):
                run.append(step)
            if _is_silent(step):
                break
        return run


@dataclass(slots=True)
class _Lane:
    """Requests of one sort: which steps go into one, of how many accounts at most, how many of each
    in a row, and how many requests at once.
    """

    kinds: tuple[type[Step], ...]
    accounts_max: int
    run_max: int
    requests_at_once: int
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Driver:
    """Sends every step of some accounts, those first that take longest.

    The longest account decides how long it all takes, since its steps cannot be sent together: a
    lane of small and therefore quick requests is kept for the longest few.
    """

    def __init__(
        self, api: Api, accounts: Sequence[AccountTrace], on_steps_done: Callable[[int], None]
    ) -> None:
        self.tally = Tally()
        self._api = api
        self._on_steps_done = on_steps_done
        self._ready: dict[type[Step], list[tuple[int, int, _Stream]]] = {
            Open: [],
            Grant: [],
            Start: [],
        }
        self._lanes = (
            _Lane((Open, Grant, Start), accounts_max=2, run_max=16, requests_at_once=1),
            _Lane((Open, Grant), accounts_max=ROOTS_MAX, run_max=1, requests_at_once=24),
            _Lane((Start,), accounts_max=40, run_max=5, requests_at_once=2),
        )
        self._awaiting: dict[str, _Stream] = {}
        self._streams = [_Stream(account) for account in accounts]
        self._unfinished = len(self._streams)
        self._pushed = 0
        self._progressed_at = time.monotonic()

    async def run(self) -> Tally:
        """Send all of it.

        Raises: ApiError.
        """
        for stream in self._streams:
            self._push(stream)
        try:
            async with asyncio.TaskGroup() as tasks:
                poll = tasks.create_task(self._poll())
                workers = [
                    tasks.create_task(self._work(lane))
                    for lane in self._lanes
                    for _ in range(lane.requests_at_once)
                ]
                await asyncio.gather(*workers)
                poll.cancel()
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return self.tally

    def _push(self, stream: _Stream) -> None:
        """Have the account's next step sent, or be done with it."""
        if stream.left:
            kind = Start if isinstance(stream.step, Finish) else type(stream.step)
            self._pushed += 1
            heapq.heappush(self._ready[kind], (-stream.takes_long, self._pushed, stream))
            for lane in self._lanes:
                if kind in lane.kinds:
                    lane.changed.set()
        else:
            self._unfinished -= 1
            if not self._unfinished:
                for lane in self._lanes:
                    lane.changed.set()

    def _take(self, lane: _Lane) -> list[_Stream]:
        """The accounts whose next steps go into one request: those that take longest from here."""
        queues = [queue for kind in lane.kinds if (queue := self._ready[kind])]
        if not queues:
            return []
        queue = min(queues)
        return [heapq.heappop(queue)[2] for _ in range(min(lane.accounts_max, len(queue)))]

    async def _work(self, lane: _Lane) -> None:
        while self._unfinished:
            streams = self._take(lane)
            if not streams:
                lane.changed.clear()
                await lane.changed.wait()
                continue
            for stream, answers in zip(
                streams, await self._send(streams, lane.run_max), strict=True
            ):
                self._advance(stream, answers)

    async def _send(self, streams: Sequence[_Stream], run_max: int) -> list[list[Answer]]:
        opens = [s.step for s in streams if isinstance(s.step, Open)]
        if opens:
            return [[answer] for answer in await open_accounts(self._api, opens)]
        grants = [(s.account_id, s.step) for s in streams if isinstance(s.step, Grant)]
        if grants:
            return [[answer] for answer in await grant_credits(self._api, grants)]
        runs = [(s.account_id, s.run(run_max)) for s in streams]
        return await start_and_finish_jobs(self._api, runs)

    def _advance(self, stream: _Stream, answers: Sequence[Answer]) -> None:
        for number, answer in enumerate(answers):
            if answer.refusal == "OutcomeUnknown":
                stream.was_overtaken |= any(later.refusal is None for later in answers[number:])
                self._send_again_later(stream)
                return
            if self._waits_after(stream, answer):
                return
        self._push(stream)

    def _waits_after(self, stream: _Stream, answer: Answer) -> bool:
        """Count one step's answer; whether the account waits for that job's refund now."""
        step = stream.step
        self._progressed_at = time.monotonic()
        done = 1
        if stream.was_overtaken and answer.refusal is None and not answer.replayed:
            answer = replace(answer, refusal="OutOfOrder", message=OUT_OF_ORDER)
        stream.was_overtaken = False
        if answer.refusal:
            self.tally.refuse(stream.account.key, step, answer)
            if isinstance(step, Open):
                done = stream.left
        elif answer.replayed:
            self.tally.replayed += 1
        else:
            self.tally.booked += 1
        if isinstance(step, Open):
            stream.account_id = answer.id or ""
        stream.position += done
        self._on_steps_done(done)
        waits = _is_silent(step) and answer.status == "RUNNING"
        if waits and answer.id:
            self._awaiting[answer.id] = stream
        return waits

    def _send_again_later(self, stream: _Stream) -> None:
        if time.monotonic() - self._progressed_at > PATIENCE_SECONDS:
            raise ApiError(f"{self._api.url} cannot tell what becomes of its writes: see its log.")
        asyncio.get_running_loop().call_later(UNKNOWN_PAUSE_SECONDS, self._push, stream)

    async def _poll(self) -> None:
        """Let accounts go on whose job the sweep has refunded."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            for job_id in (
                await ended_jobs(self._api, list(self._awaiting)[:100]) if self._awaiting else ()
            ):
                self._push(self._awaiting.pop(job_id))


def _is_silent(step: Step) -> bool:
    return isinstance(step, Start) and step.awaits_refund


__all__ = ["Driver", "Tally"]
