"""The ledger: its tables, the fences around them, its writer and the catalogue of reasons."""

from pathlib import Path

from tortoise import fields, migrations
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.migrations import operations as ops

_SQL = Path(__file__).parent / "sql"


def _run(name: str) -> ops.RunSQL:
    return ops.RunSQL((_SQL / name).read_text(encoding="utf-8"))


class Migration(migrations.Migration):
    initial = True

    operations = [
        ops.CreateModel(
            name="AccountRow",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True)),
                ("key", fields.CharField(unique=True, max_length=255)),
                ("name", fields.CharField(max_length=200)),
                ("unit", fields.CharField(max_length=50)),
                ("scale", fields.SmallIntField()),
                ("time_zone", fields.CharField(max_length=64)),
                ("overdraft_limit", fields.BigIntField()),
                ("balance", fields.BigIntField()),
                ("granted", fields.BigIntField()),
                ("charged", fields.BigIntField()),
                ("refunded", fields.BigIntField()),
                ("adjusted", fields.BigIntField()),
                ("last_seq", fields.IntField()),
                ("recorded_at", fields.DatetimeField(null=True)),
                (
                    "live",
                    fields.BooleanField(
                        description=(
                            "a line was booked as it happened: no more history can be imported"
                        )
                    ),
                ),
                ("opened_at", fields.DatetimeField()),
                ("input_hash", fields.BinaryField()),
            ],
            options={
                "table": "account",
                "app": "models",
                "pk_attr": "id",
                "table_description": (
                    "One customer's balance and the totals behind it: the state after its line "
                    "`last_seq`."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ReasonRow",
            fields=[
                ("code", fields.CharField(primary_key=True, max_length=100)),
                ("kind", fields.CharField(max_length=10)),
                ("title", fields.CharField(max_length=200)),
                ("fault", fields.CharField(max_length=8)),
            ],
            options={
                "table": "reason",
                "app": "models",
                "pk_attr": "code",
                "table_description": (
                    "One reason of the catalogue. `kind` is the kind of entry it explains, or JOB."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ServiceKeyRow",
            fields=[
                ("id", fields.IntField(generated=True, primary_key=True)),
                ("name", fields.CharField(max_length=100)),
                ("scopes", ArrayField(element_type="text")),
                ("hash", fields.BinaryField()),
                ("created_at", fields.DatetimeField(auto_now_add=True)),
                ("revoked_at", fields.DatetimeField(null=True)),
            ],
            options={
                "table": "service_key",
                "app": "models",
                "pk_attr": "id",
                "table_description": (
                    "A service's credential, stored as the SHA-256 of its 256 random bits."
                ),
            },
            bases=["Model"],
        ),
        ops.RunSQL("create unique index service_key_hash on service_key (hash)"),
        _run("0001_tables.sql"),
        _run("0001_reasons.sql"),
        _run("0001_fences.sql"),
        _run("0001_book.sql"),
        _run("0001_statement.sql"),
    ]
