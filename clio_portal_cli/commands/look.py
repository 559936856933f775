"""What the cluster looks like now: nodes, node, workers, pools, watch."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from clio_portal_cli import text
from clio_portal_cli.commands import Call
from clio_portal_cli.errors import CliError, Exit

Body = Mapping[str, Any]

NODE_HEAD = ("ID", "ADDRESS", "STATE", "SINCE", "CPU", "RAM", "GPU", "LEADER", "NOTE")
WORKER_HEAD = (
    "NODE", "WORKER", "RUNNING", "ACTIVE", "QUEUED", "BLOCKED", "PERIODIC", "RETRY",
    "PROCESSED", "LOAD",
)  # fmt: skip
DEVICE_HEAD = ("POOL", "NAME", "KIND", "CAPACITY", "FREE", "READ/S", "WRITE/S")
DEVICE_KINDS = ("file", "ram", "hbm", "pinned", "noop", "s3", "gcs")


def nodes(call: Call) -> Exit:
    """The topology, or the part of it that a filter leaves."""
    body = _topology(call)
    call.screen.result(body, nodes_text(body))
    return Exit.OK


def watch(call: Call) -> Exit:
    """The same again and again, until interrupted; JSON: a line for each change."""
    etag, shown = "", 0
    while True:
        try:
            answer = call.portal.get("/api/topology", _node_query(call), etag=etag)
        except CliError as error:
            if error.exit_code not in (Exit.NO_PORTAL, Exit.NO_RUNTIME, Exit.PORTAL_FAILED):
                raise
            call.screen.complain(f"{error.message} Trying again.")
        else:
            etag = answer.headers.get("ETag", "")
            if answer.body is not None:
                _watch_show(call, answer.body)
                shown += 1
        if call.options.count and shown >= call.options.count:
            return Exit.OK
        time.sleep(call.options.every)


def _watch_show(call: Call, body: Body) -> None:
    if call.screen.as_json:
        call.screen.json(body, line=True)
        return
    if call.screen.is_terminal:
        call.screen.fresh_page()
    call.screen.result(body, f"{nodes_text(body)}\n")


def _topology(call: Call) -> Any:
    return call.portal.get("/api/topology", _node_query(call)).body


def _node_query(call: Call) -> dict[str, Any]:
    return {"q": call.options.filter, "state": call.options.state}


def nodes_text(body: Body) -> str:
    rows = [_node_cells(node) for node in body["nodes"]]
    counts = {name: count for name, count in body["counts"].items() if name != "nodes" and count}
    total = ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"
    age = f"figures {text.duration(body['age_s'])} old"
    notes = [f"{body['counts'].get('nodes', len(rows))} nodes: {total}; {age}."]
    if body.get("stale"):
        notes.append("STALE: the portal's collector has missed its rounds.")
    if body.get("is_simulated"):
        notes.append("SIMULATED cluster: these figures are made up.")
    if not rows:
        return "No node matches.\n" + "\n".join(notes) + "\n"
    return text.table(NODE_HEAD, rows, right="rlllrrrll") + "\n".join(notes) + "\n"


def _node_cells(node: Body) -> tuple[str, ...]:
    return (
        text.number(node["node_id"]),
        text.plain(node["address"], most=40),
        text.plain(node["state"]),
        text.duration(node["state_age_s"]),
        text.percent(node["cpu_usage_pct"]),
        text.percent(node["ram_usage_pct"]),
        text.percent(node["gpu_usage_pct"]),
        "leader" if node["is_leader"] else "",
        _note(node),
    )


def _note(node: Body) -> str:
    parts = []
    if node["maintenance"]:
        parts.append(f"maintenance: {text.plain(node['maintenance'].get('reason'), most=40)}")
    if node["state_reason"] and node["state"] != "alive":
        parts.append(text.plain(node["state_reason"], most=60))
    if node["stale"]:
        parts.append("stale figures")
    return "; ".join(parts)


def node(call: Call) -> Exit:
    """One node: identity, workers, block devices, containers."""
    number = call.options.node
    listed = call.portal.get("/api/topology").body
    found = next((item for item in listed["nodes"] if item["node_id"] == number), None)
    if found is None:
        raise CliError(
            f"There is no node {number} in the cluster's host list.",
            exit_code=Exit.NOT_FOUND,
            remedy="See the ids that exist: clio-portal nodes",
        )
    body: dict[str, Any] = {"node": found}
    if found["alive"]:
        for part in ("workers", "bdev_stats", "container_stats"):
            body[part] = call.portal.get(f"/api/node/{number}/{part}").body
    call.screen.result(body, _node_text(body))
    return Exit.OK if found["alive"] else Exit.NO_RUNTIME


def _node_text(body: Body) -> str:
    found = body["node"]
    facts = (
        ("Node", f"{found['node_id']}, {text.plain(found['address'])}"),
        ("Host name", text.plain(found["hostname"])),
        ("State", f"{found['state']} for {text.duration(found['state_age_s'])}"),
        ("Why", text.plain(found["state_reason"], most=200)),
        ("Leader", text.yes(found["is_leader"])),
        ("CPU", text.percent(found["cpu_usage_pct"])),
        ("RAM", f"{text.percent(found['ram_usage_pct'])} of {text.size(found['ram_total_bytes'])}"),
        ("GPUs", text.number(found["gpu_count"])),
        ("Last seen", text.moment(found["last_seen_at"])),
        ("Figures", f"{text.duration(found['age_s'])} old"),
    )
    parts = ["".join(f"{name:<10} {value}\n" for name, value in facts)]
    if "workers" in body:
        parts.append(workers_text(body["workers"]))
        parts.append(_devices_text(body["bdev_stats"]["devices"]))
        names = [text.plain(item["pool_name"]) for item in body["container_stats"]["containers"]]
        parts.append(f"Containers: {', '.join(names) or 'none'}\n")
    return "\n".join(parts)


def _devices_text(devices: Sequence[Body]) -> str:
    if not devices:
        return "Block devices: none\n"
    rows = [
        (
            text.plain(device["pool_id"]),
            text.plain(device["pool_name"], most=40),
            _kind(device["bdev_type"]),
            text.size(device["total_capacity"]),
            text.size(device["remaining_capacity"]),
            text.size(device["read_bytes_per_s"]),
            text.size(device["write_bytes_per_s"]),
        )
        for device in devices
    ]
    return text.table(DEVICE_HEAD, rows, right="lllrrrr")


def _kind(number: object) -> str:
    known = isinstance(number, int) and 0 <= number < len(DEVICE_KINDS)
    return DEVICE_KINDS[number] if known and isinstance(number, int) else text.plain(number)


def workers(call: Call) -> Exit:
    """Worker threads of a node, or of all."""
    body = call.portal.get("/api/workers", {"node": call.options.node}).body
    call.screen.result(body, workers_text(body))
    return Exit.OK


def workers_text(body: Body) -> str:
    summary = body["summary"]
    note = (
        f"{summary['count']} workers; queued {text.number(summary['queued'])}, blocked "
        f"{text.number(summary['blocked'])}, processed {text.number(summary['processed'])}; "
        f"figures {text.duration(body['age_s'])} old.\n"
    )
    missing = body.get("nodes_missing")
    if missing:
        note += f"Not known: the workers of node {', '.join(str(item) for item in missing)}.\n"
    rows = [
        (
            text.number(item["node_id"]),
            text.number(item["worker_id"]),
            text.yes(item["is_running"]),
            text.yes(item["is_active"]),
            text.number(item["num_queued_tasks"]),
            text.number(item["num_blocked_tasks"]),
            text.number(item["num_periodic_tasks"]),
            text.number(item["num_retry_tasks"]),
            text.number(item["num_tasks_processed"]),
            text.number(item["load"]),
        )
        for item in body["workers"]
    ]
    return (text.table(WORKER_HEAD, rows, right="rrllrrrrrr") if rows else "") + note


def pools(call: Call) -> Exit:
    """Declared pools, then those that run without being declared."""
    body = call.portal.get("/api/pools").body
    rows = [
        (
            text.plain(pool["pool_id"]),
            text.plain(pool["pool_name"], most=40),
            text.plain(pool["mod_name"], most=30),
            text.yes(pool["live"]),
            ",".join(str(item) for item in pool["nodes"][:16]) or text.UNKNOWN,
            text.plain(pool["drift"]) if pool["drift"] else "",
        )
        for pool in [*body["pools"], *body["undeclared"]]
    ]
    head = ("ID", "NAME", "CHIMOD", "LIVE", "NODES", "DRIFT")
    note = f"{body['nodes_known']} of {body['nodes']} nodes are known.\n"
    call.screen.result(body, (text.table(head, rows) if rows else "No pools.\n") + note)
    return Exit.OK
