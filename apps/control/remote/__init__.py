"""Running commands on nodes: over SSH, or on the portal's own machine."""

from apps.control.remote.run import dry_run, run_command

__all__ = ["dry_run", "run_command"]
