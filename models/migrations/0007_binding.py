"""Binding a connection to an account and reading the account is one statement."""

from pathlib import Path

from tortoise import migrations
from tortoise.migrations import operations as ops

_SQL = Path(__file__).parent / "sql" / "0007_binding.sql"


class Migration(migrations.Migration):
    dependencies = [("models", "0006_batches")]

    operations = [ops.RunSQL(_SQL.read_text(encoding="utf-8"))]
