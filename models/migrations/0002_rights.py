"""The rights of the server and of customers: the second fence around an account."""

from pathlib import Path

from tortoise import migrations
from tortoise.migrations import operations as ops

_SQL = Path(__file__).parent / "sql" / "0002_rights.sql"


class Migration(migrations.Migration):
    dependencies = [("models", "0001_ledger")]

    operations = [ops.RunSQL(_SQL.read_text(encoding="utf-8"))]
