"""What is done to nodes, and the jobs that do it: shutdown, start, restart, jobs."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from clio_portal_cli import text
from clio_portal_cli.commands import Call
from clio_portal_cli.errors import CliError, Exit

Body = Mapping[str, Any]

FINAL = frozenset({"succeeded", "failed", "timed_out", "canceled", "lost"})
LOOK_EVERY_S = 0.5
JOB_HEAD = ("JOB", "ACTION", "NODE", "STATUS", "BY", "LAUNCHED", "TOOK", "OUTCOME")


def act(call: Call) -> Exit:
    """Launch the job, follow it to its end, and say how it went."""
    options = call.options
    path = f"/api/topology/node/{options.node}/{options.action}"
    body = {"reason": options.reason, "confirm": options.yes, "dry_run": options.dry_run}
    watch_s = getattr(options, "watch", None)
    if watch_s is not None:
        body["parameters"] = {"watch_s": watch_s}
    if options.dry_run:
        answer = call.portal.send("POST", path, body).body
        call.screen.result(answer, _rehearsal_text(answer))
        return Exit.OK
    _ask(call)
    # The key makes the request safe to send again: the portal does it once.
    key = uuid.uuid4().hex
    launched = call.portal.send("POST", f"{path}?wait=0", body, key=key).body
    return _follow(call, launched["job"])


def _ask(call: Call) -> None:
    """A person at a terminal is asked; a script has said what it wants by calling."""
    options = call.options
    if options.yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    call.screen.clear_passing()
    sys.stderr.write(f"{options.action} of node {options.node} at {call.portal.url}. Sure? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CliError("Nothing was done.", exit_code=Exit.INTERRUPTED)


def _follow(call: Call, number: int) -> Exit:
    """Output as it comes, to stderr, until the job's end or --wait is over."""
    until = time.monotonic() + call.options.wait
    started, after, status = time.monotonic(), 0, ""
    try:
        while True:
            page = call.portal.get(f"/api/jobs/{number}/output", {"after": after}).body
            after = page["last"]
            if page["status"] != status:
                status = page["status"]
                call.screen.say(f"job {number}: {status}")
            for line in page["lines"]:
                call.screen.say(f"  {text.plain(line['text'], most=500)}")
            if page["complete"]:
                return _end(call, number)
            if time.monotonic() >= until:
                return _not_yet(call, number)
            if not page["lines"]:
                seconds = text.duration(time.monotonic() - started)
                call.screen.passing(f"job {number}: {status}, {seconds} …")
                time.sleep(LOOK_EVERY_S)
    except KeyboardInterrupt:
        call.screen.complain(
            f"The job goes on. Follow it: clio-portal jobs {number} --follow   "
            f"Cancel it: clio-portal jobs {number} --cancel"
        )
        return Exit.INTERRUPTED


def _end(call: Call, number: int) -> Exit:
    job = call.portal.get(f"/api/jobs/{number}").body
    call.screen.result(job, _job_text(job))
    return Exit.OK if job["status"] == "succeeded" else Exit.FAILED


def _not_yet(call: Call, number: int) -> Exit:
    job = call.portal.get(f"/api/jobs/{number}").body
    call.screen.result(job, _job_text(job))
    call.screen.complain(f"Not at its end yet. Follow it: clio-portal jobs {number} --follow")
    return Exit.NOT_YET


def _rehearsal_text(answer: Body) -> str:
    lines = [f"Nothing was done. {answer['action']} of {text.plain(answer['node'])} would run:"]
    lines += [
        f"  {text.plain(item['command_line'], most=300)}\n"
        f"    on {text.plain(item['where'])} as {text.plain(item['as_whom'])}, "
        f"via {text.plain(item['via'])}"
        for item in answer["commands"]
    ]
    lines += [f"Warning: {text.plain(item, most=300)}" for item in answer["warnings"]]
    if answer["busy_with"]:
        lines.append(f"The node is busy with job {answer['busy_with']}.")
    return "\n".join(lines) + "\n"


def jobs(call: Call) -> Exit:
    """The list; one job with its output; or its end, by --follow or --cancel."""
    options = call.options
    if options.job is None:
        if options.follow or options.cancel:
            raise CliError(
                "Which job?",
                exit_code=Exit.USAGE,
                remedy="Name it: clio-portal jobs 12 --follow",
            )
        return _list(call)
    if options.cancel:
        job = call.portal.send("POST", f"/api/jobs/{options.job}/cancel", {}).body
        call.screen.result(job, _job_text(job))
        return Exit.OK
    if options.follow:
        return _follow(call, options.job)
    return _one(call, options.job)


def _list(call: Call) -> Exit:
    options = call.options
    asked = {"status": options.status, "node": options.node, "limit": options.limit}
    body = call.portal.get("/api/jobs", asked).body
    rows = [_job_cells(job) for job in body["jobs"]]
    note = f"{len(rows)} of {body['count']} jobs.\n"
    shown = (text.table(JOB_HEAD, rows, right="rlrlllrl") if rows else "") + note
    call.screen.result(body, shown)
    return Exit.OK


def _job_cells(job: Body) -> tuple[str, ...]:
    return (
        str(job["job"]),
        text.plain(job["action"]),
        text.number(job["node_id"]),
        text.plain(job["status"]),
        text.plain(job["requested_by"], most=20),
        text.moment(job["queued_at"]),
        text.duration(_took_s(job)),
        text.plain(job["outcome"], most=60) if job["outcome"] else "",
    )


def _took_s(job: Body) -> float | None:
    if not job["started_at"] or not job["finished_at"]:
        return None
    started, finished = (datetime.fromisoformat(job[key]) for key in ("started_at", "finished_at"))
    return (finished - started).total_seconds()


def _one(call: Call, number: int) -> Exit:
    job = dict(call.portal.get(f"/api/jobs/{number}").body)
    job["output"] = _output(call, number)
    shown = _job_text(job)
    shown += "".join(f"  {text.plain(line['text'], most=500)}\n" for line in job["output"])
    call.screen.result(job, shown)
    failed = job["status"] in FINAL and job["status"] != "succeeded"
    return Exit.FAILED if failed else Exit.OK


def _output(call: Call, number: int) -> list[Any]:
    """All lines that there are now."""
    lines: list[Any] = []
    after = 0
    while True:
        page = call.portal.get(f"/api/jobs/{number}/output", {"after": after}).body
        lines += page["lines"]
        after = page["last"]
        if not page["lines"]:
            return lines


def _job_text(job: Body) -> str:
    node = f"node {job['node_id']} ({text.plain(job['node'])})"
    parts = [f"Job {job['job']}: {job['action']} of {node}: {job['status']}"]
    if job["outcome"]:
        parts.append(text.plain(job["outcome"], most=500))
    if job["remedy"]:
        parts.append(text.plain(job["remedy"], most=500))
    if job["reason"]:
        parts.append(f"Reason: {text.plain(job['reason'], most=300)}")
    parts += [f"Warning: {text.plain(item, most=300)}" for item in job["warnings"]]
    return "\n".join(parts) + "\n"
