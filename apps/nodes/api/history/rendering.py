"""A body of the history, rendered once."""

from __future__ import annotations

import gzip
import hashlib

from apps.cluster.api.live import GZIP_FROM_BYTES, GZIP_LEVEL, LiveBody, to_json
from apps.nodes.api.history.bodies import Fields


def rendered(fields: Fields) -> LiveBody:
    """JSON with an ETag. The figures tell their own time, so there is no age."""
    body = to_json(fields)
    digest = hashlib.blake2b(body, digest_size=12).hexdigest()
    zipped = gzip.compress(body, GZIP_LEVEL, mtime=0) if len(body) >= GZIP_FROM_BYTES else None
    return LiveBody(fields, 200, body, zipped, f'W/"{digest}"', None)
