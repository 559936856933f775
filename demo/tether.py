"""Run a command that dies with the process that started it: `tether.py PARENT_PID COMMAND…`.

It replaces itself by the command, so that the pid the parent holds is the command's own. Where the
kernel can (Linux), the command is killed when its parent ends, however the parent ends. Only the
standard library is imported: this runs before every node and must cost little.
"""

import ctypes
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1
# A runtime holds one dial-back socket per client it has ever seen.
OPEN_FILES_WANTED = 8192


def open_files_raise() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_WANTED if hard == resource.RLIM_INFINITY else min(OPEN_FILES_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def parent_follow(parent_pid: int) -> None:
    """Ask to be killed with the parent; end here when it is already gone."""
    if sys.platform == "linux":
        # SIGKILL: a paused process would not see anything gentler.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        raise SystemExit(1)


def main(argv: list[str]) -> None:
    parent_follow(int(argv[1]))
    open_files_raise()
    os.execvp(argv[2], argv[2:])  # noqa: S606 - argv comes from our own code, no shell


if __name__ == "__main__":
    main(sys.argv)
