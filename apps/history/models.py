"""Stored series: minutes as they come, then hours, then days.

An hour of a series lies in one place at a time: in up to 60 minute rows until it is
merged, in one row of each hour table after that. A late sample for a merged hour brings
its minute rows back (see `services.samples_store`); the next merge packs them again.

Keys of time are whole numbers since 1970, UTC: minutes, hours, days. What the bytes hold
is told by `aggregates` and `codec`; both begin with a format number, so that what was
written once can be read for ever.
"""

from __future__ import annotations

from django.db import models


class Series(models.Model):
    """One kind of figures of one subject. The database's own key of everything below."""

    id = models.AutoField(primary_key=True)
    cluster_key = models.IntegerField()
    """Key of the cluster, from above: history knows no cluster table."""
    subject_kind = models.CharField(max_length=16)
    """See `metrics.SUBJECT_KINDS`."""
    subject_key = models.CharField(max_length=120)
    """``7``, ``7/worker/3``, ``7/bdev/301.0``: the node's own key comes first."""
    kind = models.CharField(max_length=16)
    """Which figures: a key of `metrics.KINDS`."""
    label = models.CharField(max_length=200, blank=True)
    first_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)
    """Times of the oldest and the newest sample ever stored."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=("cluster_key", "kind", "subject_key"), name="history_series_subject"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.subject_kind} {self.subject_key}"


class MinuteBlock(models.Model):
    """One minute of one series, of an hour that is not merged yet."""

    pk = models.CompositePrimaryKey("series_id", "minute")
    series = models.ForeignKey(
        Series, on_delete=models.CASCADE, related_name="minute_blocks", db_index=False
    )
    minute = models.IntegerField()
    count = models.IntegerField()
    """Samples of this minute."""
    aggregates = models.BinaryField()
    raw = models.BinaryField(null=True)
    """``None`` once the raw values have left by retention."""

    def __str__(self) -> str:
        return f"minute {self.minute} of series {self.series_id}"


class HourRaw(models.Model):
    """All samples of one hour, packed together."""

    pk = models.CompositePrimaryKey("series_id", "hour")
    series = models.ForeignKey(
        Series, on_delete=models.CASCADE, related_name="hour_raws", db_index=False
    )
    hour = models.IntegerField()
    block = models.BinaryField()

    def __str__(self) -> str:
        return f"samples of hour {self.hour} of series {self.series_id}"


class HourMinutes(models.Model):
    """The minute aggregates of one hour, packed together."""

    pk = models.CompositePrimaryKey("series_id", "hour")
    series = models.ForeignKey(
        Series, on_delete=models.CASCADE, related_name="hour_minutes", db_index=False
    )
    hour = models.IntegerField()
    block = models.BinaryField()

    def __str__(self) -> str:
        return f"minutes of hour {self.hour} of series {self.series_id}"


class HourAggregate(models.Model):
    """One hour as one row of aggregates."""

    pk = models.CompositePrimaryKey("series_id", "hour")
    series = models.ForeignKey(
        Series, on_delete=models.CASCADE, related_name="hour_aggregates", db_index=False
    )
    hour = models.IntegerField()
    count = models.IntegerField()
    aggregates = models.BinaryField()

    def __str__(self) -> str:
        return f"hour {self.hour} of series {self.series_id}"


class DayAggregate(models.Model):
    """One UTC day as one row of aggregates; made anew whenever one of its hours is merged."""

    pk = models.CompositePrimaryKey("series_id", "day")
    series = models.ForeignKey(
        Series, on_delete=models.CASCADE, related_name="day_aggregates", db_index=False
    )
    day = models.IntegerField()
    count = models.IntegerField()
    aggregates = models.BinaryField()

    def __str__(self) -> str:
        return f"day {self.day} of series {self.series_id}"


class RetentionFloor(models.Model):
    """Up to where a resolution has been removed: nothing before `before` is there any more."""

    resolution = models.CharField(max_length=8, primary_key=True)
    before = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.resolution} from {self.before}"


class StorageTally(models.Model):
    """How many rows and bytes a resolution has of one UTC day: kept along by every writer,
    because counting would mean to read everything."""

    pk = models.CompositePrimaryKey("resolution", "day")
    resolution = models.CharField(max_length=8)
    day = models.IntegerField()
    rows = models.BigIntegerField()
    bytes = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.resolution} of day {self.day}: {self.bytes} bytes"
