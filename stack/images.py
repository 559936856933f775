"""The images: what they are based on, and building them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from stack.engine import REPOSITORY, CommandError, NoContainersError, Podman, run

DEBIAN = "bookworm"
MIRROR = "http://deb.debian.org/debian"
PYTHON_IMAGE = "docker.io/library/python:3.11-slim-bookworm"
POSTGRES_IMAGE = "docker.io/library/postgres:15-bookworm"
REDIS_IMAGE = "docker.io/library/redis:7-bookworm"
PORTAL_IMAGE = "localhost/clio-portal:latest"
RUNTIME_IMAGE = "localhost/clio-runtime:2.3.2"
PACKAGES = ("ca-certificates", "netbase", "python3", "python3-venv", "tzdata")
BUILD_S = 1200.0
# Builds see this machine's network and the certificates that it trusts: a site's own proxy, say.
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def bases_ensure(podman: Podman, *, pull: bool) -> str:
    """Have the three base images, pulled or made. Returns a sentence on which it was."""
    missing = [
        name
        for name in (PYTHON_IMAGE, POSTGRES_IMAGE, REDIS_IMAGE)
        if not podman.image_exists(name)
    ]
    if not missing:
        return "Base images: as they were left here before."
    if pull:
        for name in missing:
            podman("pull", "--quiet", name, timeout_s=BUILD_S)
        return "Base images: pulled from their registry."
    if PYTHON_IMAGE in missing:
        podman("import", str(_root_tar(podman.work)), PYTHON_IMAGE, timeout_s=300)
    for name, file in ((POSTGRES_IMAGE, "postgres"), (REDIS_IMAGE, "redis")):
        if name in missing:
            build(podman, name, f"stack/standins/{file}.Dockerfile", f"BASE={PYTHON_IMAGE}")
    return "Base images: made from Debian's packages, in place of a registry's."


def build(podman: Podman, name: str, file: str, *arguments: str) -> None:
    given = [part for argument in arguments for part in ("--build-arg", argument)]
    podman(
        "build",
        "--quiet",
        "--pull=never",
        "--network=host",
        f"--volume={CERTIFICATES}:{CERTIFICATES}:ro",
        f"--tag={name}",
        f"--file={file}",
        *given,
        str(REPOSITORY),
        timeout_s=BUILD_S,
    )


def images_build(podman: Podman) -> None:
    """The portal's image and the runtime node's, from this working tree."""
    build(podman, PORTAL_IMAGE, "deploy/portal/Dockerfile")
    build(podman, RUNTIME_IMAGE, "deploy/runtime/Dockerfile")


def image_size_mb(podman: Podman, name: str) -> int:
    done = podman("image", "inspect", "--format", "{{.Size}}", name)
    return int(done.stdout) // 1_000_000


def _root_tar(work: Path) -> Path:
    """A small Debian with Python, packed; made once."""
    tar = work / f"debian-{DEBIAN}.tar"
    if tar.exists():
        return tar
    if shutil.which("debootstrap") is None:
        raise NoContainersError("not installed: debootstrap")
    with tempfile.TemporaryDirectory(dir=work, prefix="root-") as folder:
        root = Path(folder) / "root"
        include = f"--include={','.join(PACKAGES)}"
        argv = ["debootstrap", "--variant=minbase", include, DEBIAN, str(root), MIRROR]
        run(argv, timeout_s=BUILD_S)
        shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)
        shutil.rmtree(root / "var/cache/apt/archives", ignore_errors=True)
        (root / "var/cache/apt/archives/partial").mkdir(parents=True)
        (root / "var/lib/apt/lists/partial").mkdir(parents=True)
        draft = tar.with_suffix(".draft")
        run(["tar", "-C", str(root), "-cf", str(draft), "."], timeout_s=300)
        draft.rename(tar)
    if not tar.exists():
        raise CommandError(f"{tar} was not made")
    return tar
