"""Which client speaks to the runtimes."""

from __future__ import annotations

import logging
from typing import Literal

from apps.runtime.client import ClientOptions, PairsObserver, RuntimeClient
from apps.runtime.native import NativeClient, extension_import
from apps.runtime.wire.client import WireClient

log = logging.getLogger(__name__)

ClientKind = Literal["auto", "wire", "native"]


def client_open(
    kind: ClientKind,
    options: ClientOptions | None = None,
    *,
    pairs_observer: PairsObserver | None = None,
) -> RuntimeClient:
    """A client of the wanted kind; "auto" takes native when it can be imported, else wire.

    Raises RuntimeUnreachable for "native" without the extension, ValueError for
    options that can't be.
    """
    extension = None if kind == "wire" else extension_import()
    if kind == "wire" or (kind == "auto" and extension is None):
        return WireClient(options, pairs_observer=pairs_observer)
    log.info("speaking to the runtime through its extension module")
    return NativeClient(extension)
