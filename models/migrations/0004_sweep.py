"""The rights of the sweep: to end what is due, and nothing else."""

from pathlib import Path

from tortoise import migrations
from tortoise.migrations import operations as ops

_SQL = Path(__file__).parent / "sql" / "0004_sweep.sql"


class Migration(migrations.Migration):
    dependencies = [("models", "0003_service_keys")]

    operations = [ops.RunSQL(_SQL.read_text(encoding="utf-8"))]
