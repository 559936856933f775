"""Lines of a host list."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.cluster.hostfile import HostList, hostfile_parse
from apps.cluster.problems import ConfigProblem
from apps.runtime.types import Target
from demo.ports import PortBlock
from demo.processes import popen_stop, process_spawn

PATH = Path("/etc/clio/hostfile")


def parse(text: str) -> HostList:
    return hostfile_parse(text, path=PATH, default_port=9413)


@pytest.mark.parametrize(
    ("line", "host", "port"),
    [
        ("node1", "node1", 9413),
        ("  node1\t", "node1", 9413),
        ("Node1.Example.org.", "node1.example.org", 9413),
        ("node1:9500", "node1", 9500),
        ("10.0.0.1", "10.0.0.1", 9413),
        ("10.0.0.1:65532", "10.0.0.1", 65532),
        ("[fd00::1]:9500", "fd00::1", 9500),
        ("[fd00::1]", "fd00::1", 9413),
        ("fd00:0:0::1", "fd00::1", 9413),
        ("my_node-3", "my_node-3", 9413),
        ("node1\r", "node1", 9413),
    ],
)
def test_a_line_is_a_host_and_a_port(line: str, host: str, port: int) -> None:
    assert parse(line + "\n").targets == (Target(0, host, port),)


@pytest.mark.parametrize(
    "line",
    [
        "node 1",
        "node1 # the first",
        "node1:",
        "node1:x",
        "node1:0",
        "node1:65533",
        "node1:123456",
        "node1:٩٤١٣",
        ":9413",
        "-node",
        "node-",
        "a..b",
        "x" * 300,
        "10.0.0.256",
        "10.0.0",
        "[fd00::1",
        "[fd00::zz]:9413",
        "1:2:3",
        "tcp://node1",
        "user@node1",
        "nöde",
    ],
)
def test_a_bad_line_names_file_and_line(line: str) -> None:
    with pytest.raises(ConfigProblem) as caught:
        parse(f"good\n\n{line}\n")
    problem = caught.value
    assert problem.line == 3
    assert str(PATH) in problem.message
    assert "line 3" in problem.message


def test_blank_lines_take_no_id_and_comments_do() -> None:
    # As releases 2.0.0, 2.2.1 and 2.3.2 number them: they take a comment for a host.
    found = parse("\n# first\na\n\n  # second\nb\n")
    assert found.targets == (Target(1, "a", 9413), Target(3, "b", 9413))
    assert found.comment_lines == (2, 5)


@pytest.mark.parametrize("second", ["a", "A", "a:9413", "a."])
def test_a_duplicate_names_both_lines(second: str) -> None:
    with pytest.raises(ConfigProblem, match=r"line 3.*on line 1 already"):
        parse(f"a\nb\n{second}\n")


def test_one_host_with_two_ports_is_two_nodes() -> None:
    assert len(parse("a:9413\na:9423\n").targets) == 2


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
def test_a_list_without_hosts_is_an_error(text: str) -> None:
    with pytest.raises(ConfigProblem, match="names no host"):
        parse(text)


@pytest.fixture
def port() -> Iterator[int]:
    block = PortBlock(nodes=1)
    yield block.base_port
    block.release()


def test_a_real_runtime_counts_a_comment_as_a_line(
    clio_run_2_3_2: Path, tmp_path: Path, port: int
) -> None:
    """The reason for our numbering: node ids must be those that the runtimes give themselves."""
    hostfile = tmp_path / "hostfile"
    hostfile.write_text(f"# a comment\n\n127.0.0.1:{port}\n")
    config = tmp_path / "clio.yaml"
    config.write_text(
        f"networking: {{port: {port}, hostfile: {hostfile}, wait_for_restart: 2}}\n"
        f"runtime: {{num_threads: 2, conf_dir: {tmp_path}/conf, ipc_namespace: c{port}}}\n"
        "viz: {enabled: false}\n"
    )
    log = tmp_path / "log"
    env = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "CLIO_SERVER_CONF": str(config),
        "CLIO_STORAGE_ROOT": str(tmp_path),
    }
    process = process_spawn([str(clio_run_2_3_2), "start"], env=env, cwd=tmp_path, log=log)
    try:
        until = time.monotonic() + 60
        while b"node=" not in log.read_bytes() and time.monotonic() < until:
            time.sleep(0.1)
    finally:
        popen_stop(process, grace_s=2)
    (target,) = hostfile_parse(hostfile.read_text(), path=hostfile, default_port=9413).targets
    assert f"node={target.node_id})".encode() in log.read_bytes()
