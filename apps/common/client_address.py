"""The address that a request came from."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The client's IP address as text; ``""`` when the server does not know it.

    ``X-Forwarded-For`` is believed for as many entries, counted from its right end, as
    there are trusted proxies (PORTAL_TRUSTED_PROXIES); what stands left of them is the
    client's own claim.
    """
    peer: str = request.META.get("REMOTE_ADDR", "")
    proxies: int = settings.PORTAL_TRUSTED_PROXIES
    if proxies:
        forwarded = [
            part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        ]
        if len(forwarded) >= proxies:
            peer = forwarded[-proxies]
    return _canonical(peer)


@lru_cache(maxsize=4096)
def _canonical(peer: str) -> str:
    """Asked several times a request, and most requests come from few addresses."""
    try:
        return str(ipaddress.ip_address(peer))
    except ValueError:
        return ""
