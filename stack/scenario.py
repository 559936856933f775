"""What is tried on a running stack, whatever it runs in: containers or plain processes."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from stack.client import PortalClient, ScenarioError, wait_for

READY_S = 300.0
STATE_S = 180.0
HISTORY_S = 240.0
NODES = 4
NODE = 2
"""The one that is stopped and started: not the leader."""


class Stack(Protocol):
    """A running stack."""

    url: str
    secrets: Sequence[str]
    """What must be in no log."""

    def manage(self, *arguments: str, text: str | None = None) -> tuple[int, str]:
        """Run a management command where the control worker runs: exit code and stdout."""
        ...

    def node_is_there(self, node_id: int) -> bool:
        """Whether the node's machine (not its runtime) is up."""
        ...

    def logs(self) -> dict[str, str]:
        """All that each service has written."""
        ...


def scenario_run(stack: Stack, *, say: Callable[[str], None]) -> None:
    """Raises ScenarioError at the first thing that is not as it should be."""
    client = PortalClient(stack.url)
    _ready(client, say)
    _sign_in(stack, client)
    say("signed in")
    _watched(client)
    say(f"{NODES} nodes are alive, with figures")
    _doctor(stack, say)
    request_id = _shut_down(stack, client, say)
    _restart(client, say)
    _history(client, say)
    _audit(stack, client, request_id, say)
    _logs(stack, request_id, say)


def _ready(client: PortalClient, say: Callable[[str], None]) -> None:
    def look() -> dict[str, Any] | None:
        answer = client.get("/readyz")
        return answer.json() if answer.status == 200 else None

    parts = wait_for("/readyz says ready", look, limit_s=READY_S)["parts"]
    words = [f"{name} {part['detail']}" for name, part in parts.items()]
    say(f"ready: {', '.join(words)}")


def _sign_in(stack: Stack, client: PortalClient) -> None:
    password = secrets.token_urlsafe(18)
    code, said = stack.manage(
        *("portal_account", "--username", "stack-test", "--role", "administrator"),
        *("--password-stdin", "--json"),
        text=f"{password}\n",
    )
    if code:
        raise ScenarioError(f"No account: {said}")
    stack.secrets = [*stack.secrets, password]
    client.sign_in("stack-test", password)


def _nodes(client: PortalClient) -> dict[int, dict[str, Any]]:
    answer = client.get("/api/topology")
    if answer.status != 200:
        return {}
    return {node["node_id"]: node for node in answer.json()["nodes"]}


def _watched(client: PortalClient) -> None:
    """All nodes alive with figures, in the API and on the page."""

    def look() -> dict[int, dict[str, Any]] | None:
        nodes = _nodes(client)
        seen = [
            node
            for node in nodes.values()
            if node["state"] == "alive"
            and node["cpu_usage_pct"] is not None
            and node["ram_usage_pct"] is not None
        ]
        return nodes if len(seen) == NODES else None

    nodes = wait_for(f"{NODES} nodes alive with figures", look, limit_s=STATE_S)
    page = client.get("/")
    for node in nodes.values():
        if node["ip_address"] not in page.text:
            raise ScenarioError(f"The page does not show {node['ip_address']}")
    for node_id in nodes:
        answer = client.get(f"/api/node/{node_id}/workers")
        if answer.status != 200:
            raise ScenarioError(f"Workers of node {node_id}: {answer.status} {answer.text[:500]}")


def _doctor(stack: Stack, say: Callable[[str], None]) -> None:
    code, said = stack.manage("doctor", "--json")
    findings = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    wrong = [one for one in findings if one["level"] == "problem"]
    answered = [one for one in findings if one["check"] == "answers" and one["level"] == "ok"]
    signed_in = [one for one in findings if one["check"] == "access" and one["level"] == "ok"]
    if code or wrong or len(answered) != NODES or len(signed_in) != NODES:
        raise ScenarioError(f"The doctor ended with {code}:\n{said}")
    say(f"doctor: {len(findings)} findings, no problem; e.g. {answered[0]['text']}")


def _act(client: PortalClient, action: str, request_id: str) -> dict[str, Any]:
    """One action on the node, to its job's end."""
    answer = client.post(
        f"/api/topology/node/{NODE}/{action}?wait=60",
        {"reason": "the stack's test", "confirm": True},
        **{"X-Request-ID": request_id},
    )
    if answer.status not in (200, 202):
        raise ScenarioError(f"{action}: {answer.status} {answer.text[:1500]}")
    url = answer.json()["url"]

    def look() -> dict[str, Any] | None:
        job: dict[str, Any] = client.get(url).json()
        return None if job["status"] in ("queued", "running", "verifying") else job

    job = wait_for(f"the end of {action}", look, limit_s=STATE_S)
    if job["status"] != "succeeded":
        raise ScenarioError(f"{action}: {json.dumps(job)[:1500]}")
    return job


def _shut_down(stack: Stack, client: PortalClient, say: Callable[[str], None]) -> str:
    request_id = f"stack-test-{secrets.token_hex(8)}"
    job = _act(client, "shutdown", request_id)
    wait_for(
        f"node {NODE} shown as down",
        lambda: True if _nodes(client).get(NODE, {}).get("state") == "down" else None,
        limit_s=STATE_S,
    )
    others = [node for key, node in _nodes(client).items() if key != NODE]
    if any(node["state"] != "alive" for node in others):
        raise ScenarioError(f"Others fell, too: {others}")
    if not stack.node_is_there(NODE):
        raise ScenarioError(f"The machine of node {NODE} went with its runtime.")
    say(f"node {NODE} was shut down: {job['outcome']}; its machine stayed")
    return request_id


def _restart(client: PortalClient, say: Callable[[str], None]) -> None:
    job = _act(client, "restart", f"stack-test-{secrets.token_hex(8)}")
    wait_for(
        f"node {NODE} shown as alive",
        lambda: True if _nodes(client).get(NODE, {}).get("state") == "alive" else None,
        limit_s=STATE_S,
    )
    say(f"node {NODE} was restarted: {job['outcome']}")


def _history(client: PortalClient, say: Callable[[str], None]) -> None:
    path = "/api/history/series?nodes=all&metrics=system.cpu_usage_pct"

    def look() -> dict[str, Any] | None:
        answer = client.get(path)
        if answer.status != 200:
            raise ScenarioError(f"history: {answer.status} {answer.text[:1000]}")
        series = answer.json()["series"]
        filled = [one for one in series if any(value is not None for value in _values(one))]
        return answer.json() if len(filled) == NODES else None

    body = wait_for(f"history of {NODES} nodes", look, limit_s=HISTORY_S)
    points = sum(sum(value is not None for value in _values(one)) for one in body["series"])
    say(f"history: {points} points of CPU of {NODES} nodes")


def _values(series: dict[str, Any]) -> list[Any]:
    found: list[Any] = series["avg"]
    return found


def _audit(stack: Stack, client: PortalClient, request_id: str, say: Callable[[str], None]) -> None:
    answer = client.get("/audit/export.json")
    if answer.status != 200:
        raise ScenarioError(f"audit: {answer.status} {answer.text[:500]}")
    for word in ("job.launch", "the stack's test", request_id):
        if word not in answer.text:
            raise ScenarioError(f"The audit trail does not hold {word!r}.")
    code, said = stack.manage("verify_audit")
    if code:
        raise ScenarioError(f"The audit chain is broken: {said}")
    say(f"audit: holds both jobs; {said.strip().splitlines()[-1]}")


def _logs(stack: Stack, request_id: str, say: Callable[[str], None]) -> None:
    logs = stack.logs()
    with_id = sorted(name for name, text in logs.items() if request_id in text)
    if not {"web", "control"} <= set(with_id):
        raise ScenarioError(f"The request's id is only in the logs of {with_id}.")
    for name, text in logs.items():
        for secret in stack.secrets:
            if secret in text:
                raise ScenarioError(f"A secret is in the log of {name}.")
    size = sum(len(text) for text in logs.values())
    say(f"logs: {size // 1000} kB, the request's id in those of {', '.join(with_id)}, no secret")
