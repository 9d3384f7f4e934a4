"""The operations of a replay: each step of a trace as a product's service would send it.

Owns texts and inputs of requests, and what their answers mean. Owns no order and no retry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from app.client import Api
from app.replay.trace import Finish, Grant, Open, Start

ROOTS_MAX = 40
"""Root fields in one request; the server allows 50 aliases."""

_REFUSED = "... on Refused { __typename message }"

_STARTED = f"... on JobStarted {{ replayed job {{ id status }} }} {_REFUSED}"
_FINISHED = f"... on JobFinished {{ replayed }} {_REFUSED}"
_STATUSES = "query Statuses($ids: [ID!]!) { nodes(ids: $ids) { ... on Job { id status } } }"
_OPENED = f"... on AccountOpened {{ replayed account {{ id }} }} {_REFUSED}"
_GRANTED = f"... on CreditsGranted {{ replayed }} {_REFUSED}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one step. `id` is the account's after Open and the job's after Start."""

    refusal: str | None
    message: str
    replayed: bool
    id: str | None = None
    status: str | None = None


async def open_accounts(api: Api, steps: Sequence[Open]) -> list[Answer]:
    """Open up to `ROOTS_MAX` accounts."""
    inputs = [{"key": step.account, "name": step.account} for step in steps]
    return await _each(api, "openAccount", "OpenAccountInput", _OPENED, inputs)


async def grant_credits(api: Api, grants: Sequence[tuple[str, Grant]]) -> list[Answer]:
    """Book up to `ROOTS_MAX` grants, each to the account of that global id."""
    inputs = [
        {
            "account": account,
            "idempotencyKey": f"{step.row}:grant",
            "amount": step.credits,
            "reasonCode": "GRANT_PLAN",
            **_booked(step.at),
        }
        for account, step in grants
    ]
    return await _each(api, "grantCredits", "GrantCreditsInput", _GRANTED, inputs)


async def start_and_finish_jobs(
    api: Api, runs: Sequence[tuple[str, Sequence[Start | Finish]]]
) -> list[list[Answer]]:
    """Send runs of steps of different accounts in one request, each account's in its order.

    The root fields start and finish jobs in turns. A mutation's root fields are executed one after
    the other, and a batch in its order, so a step that has a place behind another one follows it.
    """
    turns: list[list[dict[str, Any]]] = []
    placed: list[list[tuple[int, int]]] = []
    for account, steps in runs:
        turn, places = 0, list[tuple[int, int]]()
        for step in steps:
            turn += turn % 2 != isinstance(step, Finish)
            turns.extend([] for _ in range(len(turns), turn + 1))
            places.append((turn, len(turns[turn])))
            turns[turn].append(_input(account, step))
        placed.append(places)
    data = await api.run(_jobs(len(turns)), **{f"i{n}": inputs for n, inputs in enumerate(turns)})
    return [[_answer(data[f"r{turn}"][place]) for turn, place in places] for places in placed]


@cache
def _jobs(turns: int) -> str:
    """The mutation that starts and finishes jobs in so many turns."""
    declared = ", ".join(
        f"$i{n}: [{'Finish' if n % 2 else 'Start'}JobInput!]!" for n in range(turns)
    )
    roots = " ".join(
        f"r{n}: {'finish' if n % 2 else 'start'}Jobs(inputs: $i{n}) "
        f"{{ {_FINISHED if n % 2 else _STARTED} }}"
        for n in range(turns)
    )
    return f"mutation Jobs({declared}) {{ {roots} }}"


async def ended_jobs(api: Api, job_ids: Sequence[str]) -> set[str]:
    """Those of up to 100 jobs that do not run any more."""
    data = await api.run(_STATUSES, ids=list(job_ids))
    return {job["id"] for job in data["nodes"] if job["status"] != "RUNNING"}


async def _each(
    api: Api, field: str, input_type: str, selection: str, inputs: Sequence[dict[str, Any]]
) -> list[Answer]:
    declared = ", ".join(f"$i{n}: {input_type}!" for n in range(len(inputs)))
    roots = " ".join(f"r{n}: {field}(input: $i{n}) {{ ...A }}" for n in range(len(inputs)))
    result = f"{field[0].upper()}{field[1:]}Result"
    document = f"mutation Each({declared}) {{ {roots} }} fragment A on {result} {{ {selection} }}"
    data = await api.run(document, **{f"i{n}": given for n, given in enumerate(inputs)})
    return [_answer(data[f"r{n}"]) for n in range(len(inputs))]


def _input(account: str, step: Start | Finish) -> dict[str, Any]:
    return _start(account, step) if isinstance(step, Start) else _finish(account, step)


def _start(account: str, step: Start) -> dict[str, Any]:
    return {
        "account": account,
        "idempotencyKey": f"{step.row}:start",
        "key": str(step.row),
        "operation": step.operation,
        "amount": step.credits,
        "deadlineSeconds": step.deadline_seconds,
        **_booked(step.at),
    }


def _finish(account: str, step: Finish) -> dict[str, Any]:
    outcome = (
        {"status": "FAILED", "reasonCode": "PLATFORM_ERROR"}
        if step.failed
        else {"status": "SUCCEEDED"}
    )
    return {
        "account": account,
        "idempotencyKey": f"{step.row}:finish",
        "key": str(step.row),
        **outcome,
        **_booked(step.at),
    }


def _booked(at: datetime) -> dict[str, str]:
    return {"occurredAt": at.isoformat(), "recordedAt": at.isoformat()}


def _answer(result: dict[str, Any]) -> Answer:
    done = "replayed" in result
    named: dict[str, Any] = result.get("account") or result.get("job") or {}
    return Answer(
        refusal=None if done else result["__typename"],
        message=result.get("message", ""),
        replayed=done and result["replayed"],
        id=named.get("id"),
        status=named.get("status"),
    )
