"""When a service's key was last used, and when it ends by itself."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("models", "0002_rights")]

    operations = [
        ops.AddField("ServiceKeyRow", "last_used_at", fields.DatetimeField(null=True)),
        ops.AddField("ServiceKeyRow", "expires_at", fields.DatetimeField(null=True)),
        ops.RunSQL("grant update (last_used_at) on service_key to usage_feed_server"),
    ]
