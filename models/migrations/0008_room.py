"""Every charge has room for its refund."""

from pathlib import Path

from tortoise import migrations
from tortoise.migrations import operations as ops

_SQL = Path(__file__).parent / "sql" / "0008_room.sql"


class Migration(migrations.Migration):
    dependencies = [("models", "0007_binding")]

    operations = [ops.RunSQL(_SQL.read_text(encoding="utf-8"))]
