"""``python -m stack test``: build the images, run the compose file, try it, take it down."""

from __future__ import annotations

import argparse
import sys
import time

from chaos.processes import end_in_order
from stack.client import ScenarioError
from stack.compose import ComposeStack
from stack.engine import CommandError, NoContainersError, Podman
from stack.images import (
    PORTAL_IMAGE,
    PYTHON_IMAGE,
    RUNTIME_IMAGE,
    bases_ensure,
    image_size_mb,
    images_build,
)
from stack.processes import ProcessStack
from stack.scenario import scenario_run

BEGAN = time.monotonic()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m stack", description=__doc__)
    parser.add_argument("what", choices=("test", "build"))
    parser.add_argument(
        "--pull", action="store_true", help="take base images from their registry, not Debian's"
    )
    parser.add_argument(
        "--without-containers", action="store_true", help="run the process list as plain processes"
    )
    options = parser.parse_args()
    end_in_order()
    try:
        podman = None if options.without_containers else _podman(pull=options.pull)
        if options.what == "test":
            _test(podman)
    except (CommandError, ScenarioError, NoContainersError) as error:
        _say(f"FAILED: {error}")
        return 1
    return 0


def _podman(*, pull: bool) -> Podman | None:
    """Podman with all images built; ``None`` when containers can't run here."""
    try:
        podman = Podman()
        _say(bases_ensure(podman, pull=pull))
        podman.container_try(PYTHON_IMAGE)
    except NoContainersError as error:
        _say(f"Containers can't run here: {error}")
        return None
    images_build(podman)
    for image in (PORTAL_IMAGE, RUNTIME_IMAGE):
        _say(f"built {image}, {image_size_mb(podman, image)} MB")
    return podman


def _test(podman: Podman | None) -> None:
    if podman is not None:
        with ComposeStack(podman, say=_say) as stack:
            scenario_run(stack, say=_say)
            _say(f"memory: {stack.memory()}")
        _say("PASSED in containers: docker-compose.yml by podman-compose, now taken down.")
        return
    with ProcessStack(say=_say) as processes:
        scenario_run(processes, say=_say)
    _say("PASSED WITHOUT CONTAINERS: the compose file's commands as plain processes.")


def _say(text: str) -> None:
    print(f"{time.monotonic() - BEGAN:6.1f} s  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
