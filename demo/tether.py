"""Run a command that dies with the process that started it: `tether.py PARENT_PID SIGNAL COMMAND…`.

It replaces itself by the command, so that the pid the parent holds is the command's own. Where the
kernel can (Linux), the command gets the signal when its parent ends, however the parent ends. Only
the standard library is imported: this runs before every node and must cost little.
"""

import ctypes
import os
import resource
import sys

PR_SET_PDEATHSIG = 1
# A runtime holds one dial-back socket per client it has ever seen.
OPEN_FILES_WANTED = 8192


def open_files_raise() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_WANTED if hard == resource.RLIM_INFINITY else min(OPEN_FILES_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def parent_follow(parent_pid: int, death_signal: int) -> None:
    """Ask for the signal at the parent's end; end here when it is already gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent_pid:
        raise SystemExit(1)


def main(argv: list[str]) -> None:
    parent_follow(int(argv[1]), int(argv[2]))
    open_files_raise()
    os.execvp(argv[3], argv[3:])  # noqa: S606 - argv comes from our own code, no shell


if __name__ == "__main__":
    main(sys.argv)
