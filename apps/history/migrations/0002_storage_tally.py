"""Count what is stored by resolution and day, beginning with what is already there."""

from typing import Any

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

COUNTS = """
INSERT INTO history_storagetally (resolution, day, "rows", "bytes")
SELECT resolution, day, SUM(n), SUM(size) FROM (
    SELECT 'raw' AS resolution, hour / 24 AS day, COUNT(*) AS n,
           SUM(LENGTH(block)) + COUNT(*) * 60 AS size FROM history_hourraw GROUP BY 1, 2
    UNION ALL
    SELECT 'raw', minute / 1440, 0, SUM(LENGTH(raw)) FROM history_minuteblock
    WHERE raw IS NOT NULL GROUP BY 1, 2
    UNION ALL
    SELECT 'minute', hour / 24, COUNT(*), SUM(LENGTH(block)) + COUNT(*) * 60
    FROM history_hourminutes GROUP BY 1, 2
    UNION ALL
    SELECT 'minute', minute / 1440, COUNT(*), SUM(LENGTH(aggregates)) + COUNT(*) * 60
    FROM history_minuteblock GROUP BY 1, 2
    UNION ALL
    SELECT 'hour', hour / 24, COUNT(*), SUM(LENGTH(aggregates)) + COUNT(*) * 60
    FROM history_houraggregate GROUP BY 1, 2
    UNION ALL
    SELECT 'day', day, COUNT(*), SUM(LENGTH(aggregates)) + COUNT(*) * 60
    FROM history_dayaggregate GROUP BY 1, 2
) AS counted GROUP BY 1, 2
"""


def count(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    schema_editor.execute(COUNTS)


class Migration(migrations.Migration):
    dependencies = [("history", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="StorageTally",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "resolution",
                        "day",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("resolution", models.CharField(max_length=8)),
                ("day", models.IntegerField()),
                ("rows", models.BigIntegerField()),
                ("bytes", models.BigIntegerField()),
            ],
        ),
        migrations.RunPython(count, migrations.RunPython.noop),
    ]
