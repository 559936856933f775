"""Secrets never reach the database."""

from __future__ import annotations

from typing import Any

import pytest

from apps.cluster.secrets import MASK, key_is_secret, secrets_mask, text_mask


@pytest.mark.parametrize(
    "name",
    [
        "password", "PASSWORD", "db_password", "dbPassword", "passwd", "secret", "clientSecret",
        "token", "auth-token", "api_key", "apiKey", "APIKEY", "access_key", "secret_access_key",
        "AWS_SECRET_ACCESS_KEY", "credential", "credentials", "private_key", "privateKey", "key",
        "sas", "passphrase",
    ],
)  # fmt: skip
def test_secret_names(name: str) -> None:
    assert key_is_secret(name)
    assert secrets_mask({name: "hunter2"}) == {name: MASK}


@pytest.mark.parametrize(
    "name",
    ["port", "hostfile", "monkey", "keyspace", "pool_id", "compose", "path", "bypass_cache"],
)
def test_other_names(name: str) -> None:
    assert secrets_mask({name: "value"}) == {name: "value"}


def test_everything_below_a_secret_name_is_masked() -> None:
    value = {"credentials": {"user": "me", "list": ["a", {"b": 7}], "on": True, "none": None}}
    assert secrets_mask(value) == {
        "credentials": {"user": MASK, "list": [MASK, {"b": MASK}], "on": True, "none": None}
    }


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://me:hunter2@host/path", "https://me:••••••@host/path"),
        ("s3://AKIA:hun:ter2@bucket", "s3://AKIA:••••••@bucket"),
        ("postgres://:hunter2@db/x", "postgres://:••••••@db/x"),
        ("host=db password=hunter2 user=x", "host=db password=•••••• user=x"),
        ("https://h/?x=1&token=hunter2&y=2", "https://h/?x=1&token=••••••&y=2"),
        ("Authorization: Bearer hunter2hunter2", "Authorization: Bearer ••••••"),
        ("https://host/path", "https://host/path"),
        ("tcp://10.0.0.1:9413", "tcp://10.0.0.1:9413"),
    ],
)
def test_secrets_inside_text(text: str, kept: str) -> None:
    assert text_mask(text) == kept


def test_a_private_key_is_masked_whatever_its_name() -> None:
    block = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn\n-----END OPENSSH PRIVATE KEY-----"
    assert "b3Blbn" not in repr(secrets_mask({"note": block}))


def test_the_original_is_not_changed() -> None:
    original: dict[str, Any] = {"a": [{"password": "hunter2"}]}
    secrets_mask(original)
    assert original == {"a": [{"password": "hunter2"}]}
