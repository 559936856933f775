"""Whose request is it? Only as many forwarded addresses are believed as there are proxies."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import RequestFactory

from apps.common.client_address import client_address


@pytest.mark.parametrize(
    ("proxies", "forwarded", "peer", "expected"),
    [
        (0, "", "192.0.2.1", "192.0.2.1"),
        (0, "198.51.100.9", "192.0.2.1", "192.0.2.1"),
        (1, "198.51.100.9", "10.0.0.1", "198.51.100.9"),
        (1, "1.1.1.1, 198.51.100.9", "10.0.0.1", "198.51.100.9"),
        (2, "1.1.1.1, 198.51.100.9, 10.0.0.2", "10.0.0.1", "198.51.100.9"),
        (2, "10.0.0.2", "10.0.0.1", "10.0.0.1"),
        (1, "", "10.0.0.1", ""),
        (1, "<script>", "10.0.0.1", ""),
        (1, "2001:db8::0:1", "10.0.0.1", "2001:db8::1"),
        (0, "", "", ""),
        (0, "", "unix:", ""),
    ],
)
def test_client_address(
    proxies: int, forwarded: str, peer: str, expected: str, settings: Any
) -> None:
    settings.PORTAL_TRUSTED_PROXIES = proxies
    request = RequestFactory().get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded)
    assert client_address(request) == expected
