"""gunicorn, the web server of the stack. Read with ``gunicorn -c deploy/gunicorn.conf.py``."""

import os

bind = os.environ.get("CLIO_PORTAL_BIND", "0.0.0.0:8000")
# Requests are mostly Python, which one thread of a process can run at a time: processes give
# speed, threads let a request wait (a control job's end, say) without holding up the next.
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
worker_class = "gthread"
threads = 8
preload_app = True

timeout = 90  # a call may wait up to 60 s for a control job's end
graceful_timeout = 30
keepalive = 75  # longer than the proxy's, so that the proxy is the one that closes
max_requests = 20_000  # a process that leaks does not do so for ever
max_requests_jitter = 2_000

# Files that a worker touches as its sign of life: memory, never a disk that may be slow.
worker_tmp_dir = "/dev/shm"  # noqa: S108 - files without a name, made by gunicorn
control_socket_disable = True
limit_request_line = 8190
limit_request_fields = 60
limit_request_field_size = 8190

# The portal itself judges X-Forwarded-For and -Proto (CLIO_PORTAL_TRUSTED_PROXIES); gunicorn
# believes nobody.
forwarded_allow_ips = ""

# Each request has its line in the portal's own log, with its id. gunicorn's own lines go the
# same way.
accesslog = None
errorlog = "-"
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "root": {"level": "WARNING", "handlers": []},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": [], "propagate": True},
        "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
    },
}


def when_ready(server: object) -> None:
    """In the parent, before it forks: what is loaded here is shared by all workers."""
    from clio_portal.warm import warm_up

    warm_up()
