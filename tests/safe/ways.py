"""From the schema to one small operation per field, over every way that leads to it.

Owns the ways: for each type, documents in which `@` stands for a selection on an object of that
type. A type that has none is an error: whoever adds a type says here how it is reached, and in
matrix.txt who may see it.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from graphql import (
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)

ROOTS = ("Query", "Mutation", "Subscription")
_OF_ACCOUNT = "account(id: $account) { @ }"
_STATEMENT = "statement(from: $from, to: $to) { @ }"
_PERIOD = _OF_ACCOUNT.replace("@", _STATEMENT)

WRITES = {
    "openAccount": "openAccount(input: $openInput) { @ }",
    "grantCredits": "grantCredits(input: $grantInput) { @ }",
    "recordCharge": "recordCharge(input: $chargeInput) { @ }",
    "refundCharge": "refundCharge(input: $refundInput) { @ }",
    "adjustBalance": "adjustBalance(input: $adjustInput) { @ }",
    "startJob": "startJob(input: $startInput) { @ }",
    "finishJob": "finishJob(input: $finishInput) { @ }",
}
"""Retries of what is booked: they answer whatever the first answered, and move nothing."""


def _entry(kind: str) -> tuple[str, ...]:
    name = kind.lower()
    return (
        f"node(id: ${name}) {{ ... on {kind} {{ @ }} }}",
        f"nodes(ids: [${name}]) {{ ... on {kind} {{ @ }} }}",
        f"account(id: $account) {{ entry(seq: ${name}Seq) {{ ... on {kind} {{ @ }} }} }}",
    )


def _refused(write: str, kind: str, **given: str) -> tuple[str, ...]:
    """A write that is refused, because its input differs in what is given."""
    changes = " ".join(f"{name}={value}" for name, value in given.items())
    text = WRITES[write].replace("Input)", f"Input | {changes})") if changes else WRITES[write]
    return ("mutation " + text.replace("@", f"... on {kind} {{ @ }}"),)


def _done(write: str, kind: str) -> tuple[str, ...]:
    return ("mutation " + WRITES[write].replace("@", f"... on {kind} {{ @ }}"),)


WAYS: dict[str, tuple[str, ...]] = {
    "Viewer": ("viewer { @ }",),
    "Account": (
        _OF_ACCOUNT,
        "account(key: $key) { @ }",
        "node(id: $account) { ... on Account { @ } }",
        "nodes(ids: [$account]) { ... on Account { @ } }",
        "node(id: $charge) { ... on Charge { account { @ } } }",
    ),
    "Node": ("node(id: $charge) { @ }", "nodes(ids: [$charge]) { @ }"),
    "LedgerEntry": (
        "node(id: $charge) { ... on LedgerEntry { @ } }",
        "nodes(ids: [$charge]) { ... on LedgerEntry { @ } }",
    ),
    "Charge": _entry("Charge"),
    "Refund": _entry("Refund"),
    "Grant": _entry("Grant"),
    "Adjustment": _entry("Adjustment"),
    "Reason": ("node(id: $charge) { ... on Charge { reason { @ } } }",),
    "RunningTotals": ("node(id: $charge) { ... on Charge { totalsAfter { @ } } }",),
    "Job": (
        "node(id: $job) { ... on Job { @ } }",
        "nodes(ids: [$job]) { ... on Job { @ } }",
        "account(id: $account) { job(key: $jobKey) { @ } }",
        "node(id: $charge) { ... on Charge { job { @ } } }",
    ),
    "RefundDecision": ("node(id: $job) { ... on Job { refundDecision { @ } } }",),
    "UsageConnection": (
        "account(id: $account) { usage(first: 1) { @ } }",
        _PERIOD.replace("@", "usage(first: 1) { @ }"),
    ),
    "UsageEdge": ("account(id: $account) { usage(first: 1) { edges { @ } } }",),
    "PageInfo": (
        "account(id: $account) { usage(first: 1) { pageInfo { @ } } }",
        "account(id: $account) { jobs(first: 1) { pageInfo { @ } } }",
    ),
    "JobConnection": ("account(id: $account) { jobs(first: 1) { @ } }",),
    "JobEdge": ("account(id: $account) { jobs(first: 1) { edges { @ } } }",),
    "Statement": (_PERIOD,),
    "ReasonTotal": (_PERIOD.replace("@", "byReason { @ }"),),
    "CampaignTotal": (_PERIOD.replace("@", "byCampaign { @ }"),),
    "DayTotal": (_PERIOD.replace("@", "byDay { @ }"),),
    "UsageLanded": (
        "subscription usageEntryLanded(account: $account, since: $start) { @ }",
        "subscription refundLanded(account: $account, since: $start) { @ }",
    ),
    "AccountOpened": _done("openAccount", "AccountOpened"),
    "CreditsGranted": _done("grantCredits", "CreditsGranted"),
    "ChargeRecorded": _done("recordCharge", "ChargeRecorded"),
    "ChargeRefunded": _done("refundCharge", "ChargeRefunded"),
    "BalanceAdjusted": _done("adjustBalance", "BalanceAdjusted"),
    "JobStarted": _done("startJob", "JobStarted"),
    "JobFinished": _done("finishJob", "JobFinished"),
    "Refused": _refused("grantCredits", "Refused", account="$missing"),
    "AccountNotFound": _refused("grantCredits", "AccountNotFound", account="$missing"),
    "ChargeNotFound": _refused("refundCharge", "ChargeNotFound", charge="$missingCharge"),
    "EntryNotFound": _refused(
        "adjustBalance", "EntryNotFound", idempotencyKey="$fresh", corrects="$missingCharge"
    ),
    "JobNotFound": _refused("finishJob", "JobNotFound", idempotencyKey="$fresh", key="$fresh"),
    "InsufficientCredits": _refused(
        "recordCharge", "InsufficientCredits", idempotencyKey="$fresh", amount="$much"
    ),
    "RefundExceedsCharge": _refused(
        "refundCharge", "RefundExceedsCharge", idempotencyKey="$fresh", amount="$much"
    ),
    "IdempotencyConflict": _refused("startJob", "IdempotencyConflict", amount="$much"),
    "JobAlreadyExists": _refused("startJob", "JobAlreadyExists", idempotencyKey="$fresh"),
    "JobAlreadyFinished": _refused(
        "finishJob", "JobAlreadyFinished", idempotencyKey="$fresh", status="$succeeded"
    ),
    "UnknownReason": _refused(
        "grantCredits", "UnknownReason", idempotencyKey="$fresh", reasonCode="$fresh"
    ),
    "OutcomeUnknown": _refused("grantCredits", "OutcomeUnknown", idempotencyKey="$lost"),
    "InvalidInput": _refused("grantCredits", "InvalidInput", amount="$nothing"),
}

AFTER: dict[str, str] = {
    "Account": _done("openAccount", "AccountOpened")[0].replace("@", "account { @ }"),
    "Grant": _done("grantCredits", "CreditsGranted")[0].replace("@", "entry { @ }"),
    "Charge": _done("startJob", "JobStarted")[0].replace("@", "entry { @ }"),
    "Refund": _done("refundCharge", "ChargeRefunded")[0].replace("@", "entry { @ }"),
    "Adjustment": _done("adjustBalance", "BalanceAdjusted")[0].replace("@", "entry { @ }"),
    "Job": _done("startJob", "JobStarted")[0].replace("@", "job { @ }"),
}
"""What a writer may read on from what it wrote."""

ARGUMENTS = {
    "Query.account": "(id: $account)",
    "Query.node": "(id: $account)",
    "Query.nodes": "(ids: [$account])",
    "Account.entry": "(seq: $chargeSeq)",
    "Account.statement": "(from: $from, to: $to)",
    "Account.job": "(key: $jobKey)",
    "Subscription.usageEntryLanded": "(account: $account, since: $start)",
    "Subscription.refundLanded": "(account: $account, since: $start)",
    "Mutation.openAccount": "(input: $openInput | key=$fresh)",
    "Mutation.grantCredits": "(input: $grantInput | idempotencyKey=$fresh)",
    "Mutation.recordCharge": "(input: $chargeInput | idempotencyKey=$fresh amount=$one)",
    "Mutation.recordCharges": "(inputs: [$chargeInput | idempotencyKey=$fresh amount=$one])",
    "Mutation.refundCharge": "(input: $refundInput | idempotencyKey=$fresh amount=$one)",
    "Mutation.adjustBalance": "(input: $adjustInput | idempotencyKey=$fresh)",
    "Mutation.startJob": "(input: $startInput | idempotencyKey=$fresh key=$fresh amount=$one)",
    "Mutation.startJobs": "(inputs: [$startInput | idempotencyKey=$fresh key=$fresh amount=$one])",
    "Mutation.finishJob": "(input: $finishInput | idempotencyKey=$fresh)",
    "Mutation.finishJobs": "(inputs: [$finishInput | idempotencyKey=$fresh])",
}
"""What a field needs to be asked for; for a mutation, something that was never booked."""

_CONSTANTS = {
    "from": "2020-01-01T00:00:00Z",
    "to": "2100-01-01T00:00:00Z",
    "much": 9_000_000_000,
    "one": 1,
    "nothing": 0,
    "succeeded": "SUCCEEDED",
}
_ENUMS = {"status"}
_NAME = re.compile(r"\$(\w+)(?: \| ((?:\w+=\$\w+ ?)+))?")
_fresh = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Asked:
    """One way to one field. `root` is its only field at the root, with names for values."""

    row: str
    operation: str
    root: str
    is_root: bool

    def written(self, names: dict[str, Any], alias: str = "r0") -> str:
        """The root field with its values, under an alias."""

        def value(found: re.Match[str]) -> str:
            given = _value(found[1], names)
            for change in (found[2] or "").split():
                name, _, changed = change.partition("=")
                given = {**given, name: _value(changed[1:], names)}
            return literal(given)

        return f"{alias}: {_NAME.sub(value, self.root)}"


def every_way(schema: GraphQLSchema) -> Iterator[Asked]:
    """Every way to every field of the schema, row by row."""
    for name, kind in sorted(schema.type_map.items()):
        if name.startswith("__"):
            continue
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for field, definition in kind.fields.items():
                yield from _ways_to(name, field, definition)
        if isinstance(kind, GraphQLInputObjectType) and "recordedAt" in kind.fields:
            yield _with_import(name)


def _ways_to(kind: str, field: str, definition: GraphQLField) -> Iterator[Asked]:
    row = f"{kind}.{field}"
    arguments = ARGUMENTS.get(row, "")
    if not arguments and any(is_required_argument(given) for given in definition.args.values()):
        raise LookupError(f"{row} needs arguments: name them in ARGUMENTS.")
    named = cast("object", get_named_type(definition.type))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    inner = "" if is_leaf_type(named) else " { __typename }"
    if kind in ROOTS:
        yield Asked(row, kind.lower(), f"{field}{arguments}{inner}", True)
        return
    if kind not in WAYS:
        raise LookupError(f"No way leads to {kind}: name one in WAYS.")
    for way in WAYS[kind]:
        yield _asked(row, way, f"found: {field}{arguments}{inner}")
    if kind in AFTER:
        yield _asked(f"{row} after writing", AFTER[kind], f"found: {field}{arguments}{inner}")


def _asked(row: str, way: str, selection: str) -> Asked:
    first, _, rest = way.partition(" ")
    operation, root = (first, rest) if first in ("mutation", "subscription") else ("query", way)
    return Asked(row, operation, root.replace("@", selection), False)


def _with_import(kind: str) -> Asked:
    mutation = kind[0].lower() + kind.removesuffix("Input")[1:]
    arguments = ARGUMENTS[f"Mutation.{mutation}"].replace(" |", " | recordedAt=$from")
    return Asked(f"{kind}.recordedAt", "mutation", f"{mutation}{arguments} {{ __typename }}", True)


def literal(value: Any, name: str = "") -> str:
    """A value as GraphQL writes it."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value).items()
        return "{" + ", ".join(f"{name}: {literal(inner, name)}" for name, inner in fields) + "}"
    return str(value) if name in _ENUMS else json.dumps(value)


def _value(name: str, names: dict[str, Any]) -> Any:
    if name == "fresh":
        return f"fresh-{next(_fresh)}"
    return names[name] if name in names else _CONSTANTS[name]
