"""Look at everything that the portal needs, and say what to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError

from apps.common.time import utc_now
from apps.control.access import access_of
from apps.control.remote.types import Access, RemoteFailure
from apps.nodes.models import FigureKind, LatestFigures, Node
from apps.nodes.rows import connections_left
from apps.runtime.types import Target
from clio_portal.doctor.findings import Finding, Level, skipped
from clio_portal.doctor.nodes import Subject, node_findings
from clio_portal.doctor.portal import cluster_discover, portal_findings

EXIT_CODES = {Level.OK: 0, Level.SKIPPED: 0, Level.WARNING: 0, Level.PROBLEM: 1}
MARKS = {Level.OK: "ok  ", Level.WARNING: "WARN", Level.PROBLEM: "FAIL", Level.SKIPPED: "-   "}


class Command(BaseCommand):
    help = (
        "Check settings, configuration, host list, database, broker, processes, and of each node "
        "its ports, wire generation, dial-back, clock and SSH. Run it on the machine (or in the "
        "container) of a Celery worker. Exit code: 0 when there is no problem, else 1."
    )
    requires_system_checks = ()  # they are part of the report

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--node", type=int, action="append", metavar="ID", help="only this node; repeatable"
        )
        parser.add_argument("--no-nodes", action="store_true", help="ask no node anything")
        parser.add_argument("--no-ssh", action="store_true", help="do not try to sign in on nodes")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        worst = 0
        counts = dict.fromkeys(Level, 0)
        for finding in self._findings(options):
            counts[finding.level] += 1
            worst = max(worst, EXIT_CODES[finding.level])
            self._write(finding, as_json=options["json"])
        if not options["json"]:
            self.stdout.write(
                f"\n{counts[Level.PROBLEM]} problems, {counts[Level.WARNING]} warnings, "
                f"{counts[Level.OK]} checks are well."
            )
        if worst:
            sys.exit(worst)

    def _findings(self, options: dict[str, Any]) -> Iterator[Finding]:
        discovery = cluster_discover()
        yield from portal_findings(discovery, at=utc_now())
        if options["no_nodes"]:
            return
        targets = discovery.targets or ()
        if options["node"]:
            targets = tuple(one for one in targets if one.node_id in options["node"])
        if not targets:
            yield skipped("nodes", "There is no node to look at.")
            return
        yield from node_findings(
            _subjects(targets, with_ssh=not options["no_ssh"]), kind=settings.PORTAL_CLIENT
        )

    def _write(self, finding: Finding, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(finding.as_dict(), ensure_ascii=False))
            return
        where = f"{finding.node}: " if finding.node else ""
        self.stdout.write(f"{MARKS[finding.level]}  {finding.check:<13} {where}{finding.text}")
        if finding.remedy:
            self.stdout.write(f"      {'':<13} → {finding.remedy}")


def _subjects(targets: Sequence[Target], *, with_ssh: bool) -> list[Subject]:
    """What the database knows of these nodes. All of it is optional: it may be away."""
    try:
        rows = {(node.host, node.port): node for node in Node.objects.present()}
        last = dict(
            LatestFigures.objects.filter(kind=FigureKind.SYSTEM)
            .exclude(figures=None)
            .values_list("node_id", "figures__event_id")
        )
        return [
            _subject(target, rows.get((target.host, target.port)), last, with_ssh=with_ssh)
            for target in targets
        ]
    except DatabaseError:
        return [Subject(target) for target in targets]


def _subject(
    target: Target, node: Node | None, last: dict[int, int | None], *, with_ssh: bool
) -> Subject:
    if node is None:
        # The collector has not met it yet: its access settings can't be known either.
        return Subject(target)
    return Subject(
        target,
        _access(node) if with_ssh else None,
        last.get(node.pk),
        connections_left(node.wire_generation, node.dialback_pairs_spent),
    )


def _access(node: Node) -> Access | RemoteFailure:
    try:
        return access_of(node)
    except RemoteFailure as failure:
        return failure
