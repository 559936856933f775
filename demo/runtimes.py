"""Install the released runtimes (the PyPI wheels of iowarp-core), each in a folder of its own.

    python -m demo.runtimes 2.3.2 2.2.1 2.0.0

installs them under var/runtimes/<version>/ and prints where each `clio_run` is.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
RUNTIMES_DIRECTORY = REPOSITORY / "var" / "runtimes"
DEMO_VERSION = "2.3.2"
# One of each wire generation: 2.3, 2.2, 2.0.
TESTED_VERSIONS = ("2.3.2", "2.2.1", "2.0.0")
INSTALL_TIMEOUT_S = 900
OUTPUT_TAIL_CHARS = 2000


class RuntimeInstallError(RuntimeError):
    """A runtime could not be installed; the message says why and what to do."""


class NoWheelError(RuntimeInstallError):
    """No release of this version exists for this platform and Python."""


def runtime_install(version: str, *, directory: Path = RUNTIMES_DIRECTORY) -> Path:
    """The path of `clio_run` of the release, installed first when it is not there yet.

    Safe to call from several processes at once. Raises NoWheelError or RuntimeInstallError.
    """
    directory.mkdir(parents=True, exist_ok=True)
    home = directory / version
    clio_run = home / "bin" / "clio_run"
    # Written last, so that an interrupted installation is not taken for a whole one.
    complete = home / ".complete"
    with _locked(directory / f"{version}.lock"):
        if not (complete.exists() and clio_run.exists()):
            shutil.rmtree(home, ignore_errors=True)
            _environment_make(home)
            _wheel_install(home, version)
            if not clio_run.exists():
                raise RuntimeInstallError(
                    f"iowarp-core {version} was installed to {home} but brought no clio_run. "
                    "This release cannot be used on this platform."
                )
            complete.write_text(f"{version}\n")
    return clio_run


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeInstallError(
            f"`{' '.join(argv)}` did not end within {INSTALL_TIMEOUT_S} s. "
            "Check the connection to the package index and try again."
        ) from error


def _environment_make(home: Path) -> None:
    made = _run([sys.executable, "-m", "venv", str(home)])
    if made.returncode:
        raise RuntimeInstallError(
            f"Could not make a virtual environment in {home} (on Debian: apt install "
            f"python3-venv):\n{made.stdout[-OUTPUT_TAIL_CHARS:]}"
        )


def _wheel_install(home: Path, version: str) -> None:
    # Wheels only: building the runtime from source needs a C++ tool chain and an hour.
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-input"]
    installed = _run([*pip, "--only-binary", "iowarp-core", f"iowarp-core=={version}"])
    if installed.returncode == 0:
        return
    output = installed.stdout[-OUTPUT_TAIL_CHARS:]
    # pip says "no matching distribution" also when it reached no index, after some retries.
    if "No matching distribution" in output and "Retrying (" not in output:
        raise NoWheelError(
            f"iowarp-core {version} has no wheel for this platform "
            f"({sys.platform}, Python {sys.version_info.major}.{sys.version_info.minor}). "
            "It has one for Linux on x86_64."
        )
    raise RuntimeInstallError(
        f"Could not install iowarp-core {version}. Check the connection to the package index "
        f"and try again. pip said:\n{output}"
    )


def main(versions: list[str]) -> int:
    for version in versions or [DEMO_VERSION]:
        try:
            print(f"iowarp-core {version}: {runtime_install(version)}", flush=True)
        except RuntimeInstallError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
