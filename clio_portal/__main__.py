"""``python -m clio_portal``: the portal for the configured cluster, with no service needed."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Sequence

from django.core.exceptions import ImproperlyConfigured

EXIT_CAN_NOT_START = 2
ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - only compared with


def main(argv: Sequence[str] | None = None) -> int:
    """0 after a stop that was asked for, 2 when the portal can't start (and the reason)."""
    options = _parser().parse_args(argv)
    os.umask(0o077)  # what it writes holds people's names and the hashes of their passwords
    try:
        _environment_set(options)
        return _run(options)
    except ImproperlyConfigured as error:
        return _refuse(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m clio_portal",
        description="The portal of a CLIO Runtime cluster, in one command. Settings are "
        "environment variables that begin with CLIO_PORTAL_.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=_port, default=5000, help="port (%(default)s; 0: any free)")
    parser.add_argument(
        "--debug", action="store_true", help="detailed error pages and log; never for others"
    )
    return parser


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: a number from 0 to 65535")
    return int(text)


def _environment_set(options: argparse.Namespace) -> None:
    """What the command line says, in the settings' terms; set before they are read."""
    if os.environ.get("CLIO_PORTAL_MODE") == "production":
        raise ImproperlyConfigured(
            "CLIO_PORTAL_MODE=production: this command is the single mode. In production, run "
            "gunicorn clio_portal.wsgi, a Celery worker and Celery beat (docker-compose.yml)."
        )
    os.environ["CLIO_PORTAL_MODE"] = "single"
    os.environ["DJANGO_SETTINGS_MODULE"] = "clio_portal.settings"
    if options.debug:
        os.environ["CLIO_PORTAL_DEBUG"] = "true"
        os.environ.setdefault("CLIO_PORTAL_LOG_LEVEL", "DEBUG")
    if not os.environ.get("CLIO_PORTAL_ALLOWED_HOSTS"):
        os.environ["CLIO_PORTAL_ALLOWED_HOSTS"] = ",".join(_own_names(options.host))


def _own_names(host: str) -> list[str]:
    """The names by which browsers may call this machine, for the address listened on."""
    names = {"localhost", "127.0.0.1", "[::1]"}
    if host in ANY_ADDRESS:
        names |= {socket.gethostname(), socket.getfqdn()}
        names |= {_bracketed(address) for address in _own_addresses()}
    else:
        names.add(_bracketed(host))
    return sorted(name.lower() for name in names if name)


def _own_addresses() -> set[str]:
    import psutil

    return {
        address.address.split("%")[0]
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family in (socket.AF_INET, socket.AF_INET6)
    }


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _run(options: argparse.Namespace) -> int:
    import django

    django.setup()
    # Only now can anything be imported that reads the settings.
    from clio_portal.single.lock import AlreadyRunning
    from clio_portal.single.portal import Portal, PortBusy

    try:
        return Portal(host=options.host, port=options.port).run()
    except (AlreadyRunning, PortBusy, RuntimeError) as error:
        return _refuse(str(error))


def _refuse(reason: str) -> int:
    sys.stderr.write(f"CLIO Portal can't start. {reason}\n")
    return EXIT_CAN_NOT_START


if __name__ == "__main__":
    sys.exit(main())
