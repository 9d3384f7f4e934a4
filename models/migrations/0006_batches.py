"""A batch asks the database once for what it needs of it, not once for each intent."""

from pathlib import Path

from tortoise import migrations
from tortoise.migrations import operations as ops

_SQL = Path(__file__).parent / "sql" / "0006_batches.sql"


class Migration(migrations.Migration):
    dependencies = [("models", "0005_plans")]

    operations = [ops.RunSQL(_SQL.read_text(encoding="utf-8"))]
