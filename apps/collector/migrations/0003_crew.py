"""The lease of each round becomes a share of the nodes for each process that polls."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("cluster", "0001_initial"),
        ("collector", "0002_history_feed"),
    ]

    operations = [
        migrations.CreateModel(
            name="CollectorMember",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("holder", models.CharField(max_length=64, unique=True)),
                ("place", models.CharField(blank=True, max_length=100)),
                ("pid", models.PositiveIntegerField()),
                ("pulse", models.BigIntegerField(default=0)),
                ("joined_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
                (
                    "cluster",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="collector_members",
                        to="cluster.cluster",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CollectorShard",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveSmallIntegerField()),
                (
                    "cluster",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="cluster.cluster",
                    ),
                ),
                (
                    "member",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="shards",
                        to="collector.collectormember",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("cluster", "number"), name="collector_shard_number"
                    )
                ],
            },
        ),
        # It holds nothing but the latest round of each kind.
        migrations.DeleteModel(name="PollRound"),
        migrations.CreateModel(
            name="PollRound",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=16)),
                ("number", models.BigIntegerField(default=0)),
                ("started_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("nodes_asked", models.PositiveIntegerField(default=0)),
                ("nodes_answered", models.PositiveIntegerField(default=0)),
                ("nodes_failed", models.PositiveIntegerField(default=0)),
                ("nodes_pending", models.PositiveIntegerField(default=0)),
                ("calls_total", models.BigIntegerField(default=0)),
                ("skipped_total", models.BigIntegerField(default=0)),
                (
                    "member",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="poll_rounds",
                        to="collector.collectormember",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("member", "kind"), name="poll_round_member_kind"
                    )
                ],
            },
        ),
    ]
