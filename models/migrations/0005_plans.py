"""Plans of the writer that stay right while a young database grows."""

from pathlib import Path

from tortoise import migrations
from tortoise.migrations import operations as ops

_SQL = Path(__file__).parent / "sql" / "0005_plans.sql"


class Migration(migrations.Migration):
    dependencies = [("models", "0004_sweep")]

    operations = [ops.RunSQL(_SQL.read_text(encoding="utf-8"))]
