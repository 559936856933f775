"""A real directory: Debian's slapd as an ordinary process on a free port of loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.accounts.certificates import certificate_write

SLAPD = shutil.which("slapd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
SCHEMAS = Path("/etc/ldap/schema")
START_DEADLINE_S = 60.0
BASE = "dc=example,dc=org"
PEOPLE = f"ou=people,{BASE}"
GROUPS = f"ou=groups,{BASE}"
ADMIN_DN, ADMIN_PASSWORD = f"cn=admin,{BASE}", "of the directory only"
PASSWORD = "a pass phrase of the directory"

CONFIG = """\
include {schemas}/core.schema
include {schemas}/cosine.schema
include {schemas}/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
argsfile {folder}/slapd.args
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
database mdb
maxsize 16777216
suffix "{base}"
rootdn "{admin}"
rootpw "{password}"
directory {folder}/data
access to attrs=userPassword by anonymous auth by * none
access to * by anonymous auth by users read
"""


class Directory:
    """People and groups of an example, to be changed by tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca_file = folder / "server.pem"
        self.port = _free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    def __enter__(self) -> Directory:
        assert SLAPD is not None
        (self.folder / "data").mkdir()
        certificate_write(self.folder / "server.pem", self.folder / "server.key")
        config = self.folder / "slapd.conf"
        config.write_text(
            CONFIG.format(
                schemas=SCHEMAS,
                folder=self.folder,
                base=BASE,
                admin=ADMIN_DN,
                password=ADMIN_PASSWORD,
            )
        )
        self.start()
        self.add(BASE, {"objectClass": ["dcObject", "organization"], "o": "x", "dc": "example"})
        for unit in ("people", "groups"):
            self.add(f"ou={unit},{BASE}", {"objectClass": "organizationalUnit", "ou": unit})
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        with (self.folder / "slapd.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(SLAPD), "-d", "0", "-h", self.url, "-f", str(self.folder / "slapd.conf")],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        until = time.monotonic() + START_DEADLINE_S
        while not _listens(self.port):
            assert self.process.poll() is None, (self.folder / "slapd.log").read_text()
            assert time.monotonic() < until
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(START_DEADLINE_S)

    def connection(self) -> Any:
        import ldap

        connection = ldap.initialize(self.url)
        connection.simple_bind_s(ADMIN_DN, ADMIN_PASSWORD)
        return connection

    def add(self, dn: str, attributes: dict[str, str | list[str]]) -> None:
        values = {
            name: [one.encode() for one in ([value] if isinstance(value, str) else value)]
            for name, value in attributes.items()
        }
        self.connection().add_s(dn, list(values.items()))

    def remove(self, dn: str) -> None:
        self.connection().delete_s(dn)

    def person(self, name: str, *, given: str = "Ada", family: str = "Lovelace") -> str:
        """→ the DN."""
        dn = f"uid={name},{PEOPLE}"
        self.add(
            dn,
            {
                "objectClass": "inetOrgPerson",
                "uid": name,
                "cn": f"{given} {family}",
                "givenName": given,
                "sn": family,
                "mail": f"{name}@example.org",
                "userPassword": PASSWORD,
            },
        )
        return dn

    def group(self, name: str, *members: str) -> str:
        """→ the DN."""
        dn = f"cn={name},{GROUPS}"
        self.add(dn, {"objectClass": "groupOfNames", "cn": name, "member": list(members)})
        return dn

    def empty(self) -> None:
        import ldap

        connection = self.connection()
        for base in (PEOPLE, GROUPS):
            for dn, _ in connection.search_s(base, ldap.SCOPE_ONELEVEL, attrlist=["1.1"]):
                connection.delete_s(dn)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as asking:
        asking.settimeout(1)
        return asking.connect_ex(("127.0.0.1", port)) == 0
