"""What holds for all tests: real services and runtimes, and that CI skips nothing."""

import os
from collections.abc import Generator
from urllib.parse import urlsplit

import pytest

from tests.prepared import prepared_keep_in
from tests.services import CHROMIUM, POSTGRES_URL, REDIS_URL, service_is_reachable

pytest_plugins = ["tests.browser", "tests.runtimes"]

IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}
SERVICES = {"postgres": POSTGRES_URL, "redis": REDIS_URL}


@pytest.fixture(scope="session", autouse=True)
def _prepared(tmp_path_factory: pytest.TempPathFactory) -> None:
    """xdist gives each of its workers a folder of its own, below the run's."""
    own = tmp_path_factory.getbasetemp()
    prepared_keep_in(own.parent if os.environ.get("PYTEST_XDIST_WORKER") else own)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose service is missing, with the reason."""
    for marker, url in SERVICES.items():
        if item.get_closest_marker(marker) and not service_is_reachable(url):
            where = urlsplit(url)
            pytest.skip(f"needs {marker} on {where.hostname}:{where.port}, which does not answer")
    if item.get_closest_marker("browser") and CHROMIUM is None:
        pytest.skip("needs Chromium (on Debian: apt install chromium-headless-shell)")


def _skip_to_failure(report: pytest.TestReport | pytest.CollectReport) -> None:
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"Nothing may be skipped in CI, but this was: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _skip_to_failure(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _skip_to_failure(report)
    return report
