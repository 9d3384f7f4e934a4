"""The tables whose shape Tortoise defines: accounts, the catalogue of reasons, services' keys.

The ledger's own tables (entry, job, idempotency_key) have composite keys, which Tortoise models
refuse; they stand in `migrations/sql`, beside the constraints that migrations from models leave
out.
"""

from __future__ import annotations

from tortoise import fields
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.models import Model


class AccountRow(Model):
    """One customer's balance and the totals behind it: the state after its line `last_seq`."""

    id = fields.BigIntField(primary_key=True)
    key = fields.CharField(max_length=255, unique=True)
    name = fields.CharField(max_length=200)
    unit = fields.CharField(max_length=50)
    scale = fields.SmallIntField()
    time_zone = fields.CharField(max_length=64)
    overdraft_limit = fields.BigIntField()
    balance = fields.BigIntField()
    granted = fields.BigIntField()
    charged = fields.BigIntField()
    refunded = fields.BigIntField()
    adjusted = fields.BigIntField()
    last_seq = fields.IntField()
    recorded_at = fields.DatetimeField(null=True)
    live = fields.BooleanField(
        description="a line was booked as it happened: no more history can be imported"
    )
    opened_at = fields.DatetimeField()
    input_hash = fields.BinaryField()

    class Meta(Model.Meta):
        table = "account"


class ReasonRow(Model):
    """One reason of the catalogue. `kind` is the kind of entry it explains, or JOB."""

    code = fields.CharField(max_length=100, primary_key=True)
    kind = fields.CharField(max_length=10)
    title = fields.CharField(max_length=200)
    fault = fields.CharField(max_length=8)

    class Meta(Model.Meta):
        table = "reason"


class ServiceKeyRow(Model):
    """A service's credential, stored as the SHA-256 of its 256 random bits."""

    id = fields.IntField(primary_key=True)
    name = fields.CharField(max_length=100)
    scopes: fields.Field[list[str]] = ArrayField(element_type="text")
    hash = fields.BinaryField()
    created_at = fields.DatetimeField(auto_now_add=True)
    revoked_at = fields.DatetimeField(null=True)
    last_used_at = fields.DatetimeField(null=True)
    expires_at = fields.DatetimeField(null=True)

    class Meta(Model.Meta):
        table = "service_key"
