"""Shapes of the answers, for the schema: every field with its unit and meaning."""

from __future__ import annotations

from rest_framework import serializers


class ErrorSerializer(serializers.Serializer[object]):
    """Every error, on every route."""

    error = serializers.CharField(help_text="One sentence: what is wrong.")
    code = serializers.CharField(help_text="The same for machines: one word that does not change.")
    remedy = serializers.CharField(required=False, help_text="What to do about it.")


class LiveSerializer(serializers.Serializer[object]):
    """How old the figures are. `age_s` is also sent, in whole seconds, as header `Age`."""

    sampled_at = serializers.DateTimeField(
        allow_null=True, help_text="When the figures were taken: ISO 8601, UTC."
    )
    age_s = serializers.FloatField(
        allow_null=True, help_text="Seconds since then, when this answer was written."
    )


class PagedSerializer(serializers.Serializer[object]):
    """What an answer with a list says when `limit` or `offset` was asked for."""

    count = serializers.IntegerField(
        required=False, help_text="Only of a page: how many there are, with these filters."
    )
    next = serializers.CharField(
        required=False, allow_null=True, help_text="Only of a page: the next; `null`: the last."
    )


class ConfigErrorSerializer(serializers.Serializer[object]):
    """What is wrong with the configuration file."""

    message = serializers.CharField(help_text="One sentence.")
    code = serializers.CharField(help_text="The same for machines.")
    path = serializers.CharField(allow_null=True, required=False, help_text="The file's path.")
    line = serializers.IntegerField(
        allow_null=True, required=False, help_text="Line of the error, from 1."
    )
    column = serializers.IntegerField(
        allow_null=True, required=False, help_text="Column of the error, from 1."
    )
    remedy = serializers.CharField(
        allow_null=True, required=False, help_text="What to do about it."
    )


class ConfigSerializer(serializers.Serializer[object]):
    """The configuration in force."""

    config = serializers.DictField(
        help_text="The parsed file. Values of keys that name a secret are masked."
    )
    path = serializers.CharField(help_text="The file that was read.")
    read_at = serializers.DateTimeField(help_text="When this content was first read: UTC.")
    version = serializers.IntegerField(
        help_text="Number of this content, from 1; rises by one with each change of the file."
    )
    legacy = serializers.ListField(
        child=serializers.CharField(),
        help_text="Names and places in use that a runtime of 2.2 and later does not read.",
    )
    searched = serializers.ListField(
        child=serializers.CharField(), help_text="Where a file was looked for, in order."
    )
    error = ConfigErrorSerializer(
        required=False,
        help_text="Only when the file can't be read now: `config` is the last good version.",
    )


class ConfigMissingSerializer(ErrorSerializer):
    """There is no configuration file."""

    searched = serializers.ListField(
        child=serializers.CharField(), help_text="Where a file was looked for, in order."
    )


class ConfigBrokenSerializer(ErrorSerializer):
    """The file can't be used, and there is no earlier good version; or nothing was read yet."""

    path = serializers.CharField(allow_null=True, required=False, help_text="The file's path.")
    line = serializers.IntegerField(
        allow_null=True, required=False, help_text="Line of the error, from 1."
    )
    column = serializers.IntegerField(
        allow_null=True, required=False, help_text="Column of the error, from 1."
    )
    searched = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="Where a file was looked for, in order.",
    )
