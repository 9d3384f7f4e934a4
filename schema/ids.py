"""Global ids and cursors: opaque to clients, readable here.

A text that is malformed, or names something of another type, names nothing: it is answered like a
missing thing.
"""

from __future__ import annotations

import binascii
import re
from functools import lru_cache

from models.feed import SEQ_MAX
from models.rows import Ref
from resolvers.errors import BadInput

ID_MAX = 2**63 - 1
_LENGTH_MAX = 100
_ACCOUNT = re.compile("Account:([1-9][0-9]{0,18})")
_ENTRY = re.compile("Entry:([1-9][0-9]{0,18}):([1-9][0-9]{0,9})")
_JOB = re.compile("Job:([1-9][0-9]{0,18}):([1-9][0-9]{0,9})")
_CURSOR = re.compile("seq:(0|[1-9][0-9]{0,9})")


def account(account_id: int) -> str:
    return _encode(f"Account:{account_id}")


def entry(account_id: int, seq: int) -> str:
    return _encode(f"Entry:{account_id}:{seq}")


def job(account_id: int, charge_seq: int) -> str:
    return _encode(f"Job:{account_id}:{charge_seq}")


def cursor(seq: int) -> str:
    return _encode(f"seq:{seq}")


def to_account(text: str) -> int | None:
    """The account id that `text` names, or None."""
    found = _ACCOUNT.fullmatch(_decode(text))
    account_id = int(found[1]) if found else 0
    return account_id if 0 < account_id <= ID_MAX else None


def to_entry(text: str) -> Ref | None:
    """The account id and seq that `text` names, or None."""
    return _ref(_ENTRY, text)


def to_job(text: str) -> Ref | None:
    """The account id and charge's seq that `text` names, or None."""
    return _ref(_JOB, text)


def to_seq(argument: str, text: str | None) -> int | None:
    """The seq a cursor stands for; None where there is no cursor.

    Raises: BadInput for a text that is no cursor.
    """
    if text is None:
        return None
    found = _CURSOR.fullmatch(_decode(text))
    seq = int(found[1]) if found else -1
    if not 0 <= seq <= SEQ_MAX:
        raise BadInput(f"{argument} is not a cursor of this API.")
    return seq


def _ref(form: re.Pattern[str], text: str) -> Ref | None:
    found = form.fullmatch(_decode(text))
    if not found:
        return None
    account_id, seq = int(found[1]), int(found[2])
    return (account_id, seq) if account_id <= ID_MAX and seq <= SEQ_MAX else None


def _encode(text: str) -> str:
    return binascii.b2a_base64(text.encode(), newline=False).decode()


def _decode(text: str) -> str:
    """The text that an id or a cursor stands for; empty for what is neither."""
    return _decoded(text) if len(text) <= _LENGTH_MAX else ""


@lru_cache(maxsize=4_096)
def _decoded(text: str) -> str:
    try:
        return binascii.a2b_base64(text, strict_mode=True).decode("ascii")
    except (binascii.Error, ValueError):
        return ""
