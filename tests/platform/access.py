"""Who may do what, by what address: the one table. A route that is not in it fails the tests.

A path is as the resolver has it, with `0` for a number and `x` for a word. Under each method
stands the permission that it needs (see apps/accounts/roles.py), `SIGNED_IN` for everybody who
is signed in, or `ANYBODY`. The API's paths hold with a slash behind, too. HEAD goes with GET.
A method that is not named here is refused.
"""

from __future__ import annotations

from collections.abc import Mapping

from apps.accounts.decorators import SIGNED_IN

ANYBODY = "anybody"
Methods = Mapping[str, str]

LIVE: Methods = {"GET": "view_live"}
CONFIG: Methods = {"GET": "view_config"}
JOBS: Methods = {"GET": "view_jobs"}
AUDIT: Methods = {"GET": "view_audit"}
OPERATE: Methods = {"POST": "operate_nodes"}
OPERATE_PAGE: Methods = {"GET": "operate_nodes", "POST": "operate_nodes"}
SITE: Methods = {"GET": "manage_settings", "POST": "manage_settings"}
PEOPLE: Methods = {"GET": "manage_people", "POST": "manage_people"}
NO_TOKEN = "00000000-0000-0000-0000-000000000000"
MINE: Methods = {"GET": SIGNED_IN, "POST": SIGNED_IN}

API: dict[str, Methods] = {
    "/api/": LIVE,
    "/api/topology": LIVE,
    "/api/system": LIVE,
    "/api/workers": LIVE,
    "/api/pools": LIVE,
    "/api/config": CONFIG,
    "/api/node/x/workers": LIVE,
    "/api/node/x/system_stats": LIVE,
    "/api/node/x/bdev_stats": LIVE,
    "/api/node/x/container_stats": LIVE,
    "/api/history/metrics": LIVE,
    "/api/history/series": LIVE,
    "/api/history/fleet": LIVE,
    "/api/history/top": LIVE,
    "/api/history/heatmap": LIVE,
    "/api/history/states": LIVE,
    "/api/history/marks": JOBS,
    "/api/topology/node/x/shutdown": OPERATE,
    "/api/topology/node/x/restart": OPERATE,
    "/api/topology/node/x/start": OPERATE,
    "/api/topology/node/x/status": OPERATE,
    "/api/topology/node/x/maintenance": {
        "GET": "view_live",
        "PUT": "operate_nodes",
        "DELETE": "operate_nodes",
    },
    "/api/jobs": JOBS,
    "/api/jobs/x": JOBS,
    "/api/jobs/x/output": JOBS,
    "/api/jobs/x/cancel": OPERATE,
    "/api/batches": {"GET": "view_jobs", "POST": "operate_nodes"},
    "/api/batches/x": JOBS,
    "/api/batches/x/pause": OPERATE,
    "/api/batches/x/resume": OPERATE,
    "/api/batches/x/cancel": OPERATE,
    "/api/audit": AUDIT,
    "/api/audit/x": AUDIT,
    "/api/audit/export.csv": AUDIT,
    "/api/audit/export.json": AUDIT,
    "/api/schema": LIVE,
}
PAGES: dict[str, Methods] = {
    "/": LIVE,
    "/node/0": LIVE,
    "/trends": LIVE,
    "/history/storage": LIVE,
    "/pools": LIVE,
    "/config": CONFIG,
    "/fragments/topology": LIVE,
    "/fragments/connection": LIVE,
    "/fragments/node/0": LIVE,
    "/fragments/node/0/trend": LIVE,
    "/fragments/node/0/block-devices": LIVE,
    "/fragments/node/0/containers": LIVE,
    "/fragments/node/0/control": JOBS,
    "/fragments/pools": LIVE,
    "/fragments/config": CONFIG,
    "/fragments/jobs": JOBS,
    "/fragments/jobs/0": JOBS,
    "/fragments/jobs/0/output": JOBS,
    "/fragments/batches/0": JOBS,
    "/node/0/actions": {"GET": "operate_nodes"},
    "/node/0/actions/x": OPERATE_PAGE,
    "/node/0/maintenance": OPERATE_PAGE,
    "/node/0/maintenance/end": OPERATE,
    "/jobs": JOBS,
    "/jobs/0": JOBS,
    "/jobs/0/cancel": OPERATE,
    "/jobs/0/output.txt": JOBS,
    "/batches": JOBS,
    "/batches/new": OPERATE_PAGE,
    "/batches/0": JOBS,
    "/batches/0/x": OPERATE,
    "/audit": AUDIT,
    "/audit/0": AUDIT,
    "/audit/export.csv": AUDIT,
    "/audit/export.json": AUDIT,
    "/api/docs": LIVE,
    "/api/redoc": LIVE,
    "/accounts/confirm": MINE,
    "/accounts/me": MINE,
    "/accounts/me/password": MINE,
    "/accounts/me/sign-out-everywhere": {"POST": SIGNED_IN},
    "/accounts/me/tokens": MINE,
    f"/accounts/tokens/{NO_TOKEN}/revoke": {"POST": SIGNED_IN},
    "/accounts/set-password/x/x": {"GET": ANYBODY, "POST": ANYBODY},
    "/people": {"GET": "manage_people"},
    "/people/new": PEOPLE,
    "/people/roles": {"GET": "manage_people"},
    "/people/tokens": {"GET": "manage_people"},
    "/people/0": PEOPLE,
    "/people/0/tokens": PEOPLE,
    "/accounts/login/": {"GET": ANYBODY, "POST": ANYBODY},
    "/accounts/logout/": {"POST": ANYBODY},
    "/healthz": {"GET": ANYBODY},
    "/readyz": {"GET": ANYBODY},
    "/api/no-such-path": dict.fromkeys(
        ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"), ANYBODY
    ),  # 404, whatever is tried
}
ADMIN: dict[str, Methods] = {
    "/admin/": SITE,
    "/admin//no-such-path": SITE,
    "/admin/login/": {"GET": ANYBODY, "POST": ANYBODY},
    "/admin/logout/": {"POST": ANYBODY},
    "/admin/password_change/": {"GET": SIGNED_IN},
    "/admin/retention/": SITE,
    # To read it needs the permission of a model, and here none is named.
    "/admin/autocomplete/": {"POST": "manage_settings"},
    "/admin/jsi18n/": SITE,
    "/admin/r/x/x/": SITE,
}
ADMIN_MODELS = {
    "accounts/apitoken",
    "accounts/user",
    "auth/group",
    "cluster/configversion",
    "nodes/node",
    "audit/auditevent",
    "control/clusteraccess",
    "control/controljob",
    "control/jobbatch",
    "control/nodeaccess",
}
"""Each has its pages under /admin/. What may be done there is for its ModelAdmin's tests."""


def methods_of(path: str) -> Methods | None:
    """The table's line for a path; ``None``: it has none."""
    if path in API:
        return API[path]
    if path in PAGES:
        return PAGES[path]
    if path in ADMIN:
        return ADMIN[path]
    if path.startswith("/api/") and path.removesuffix("/") in API:
        return API[path.removesuffix("/")]
    parts = path.strip("/").split("/")
    return SITE if parts[0] == "admin" and "/".join(parts[1:3]) in ADMIN_MODELS else None
