"""Where the configuration and the host list are found, and what is said when they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.cluster.discovery import Discovery, discover
from apps.runtime.types import Target


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    path.mkdir()
    return path


def place(path: Path, text: str = "networking: {port: 9500}\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def look(home: Path, **env: str | Path) -> Discovery:
    return discover({name: str(value) for name, value in env.items()}, home=home)


ALL_PLACES = (".clio/clio.yaml", ".clio/chimaera.yaml", ".chimaera/clio.yaml")
LAST_PLACE = ".chimaera/chimaera.yaml"


def test_without_any_file_there_is_one_node_at_the_default_port(home: Path) -> None:
    found = look(home)
    assert found.config is None
    assert found.problem is None
    assert found.targets == (Target(0, "127.0.0.1", 9413),)
    assert found.searched == (
        "CLIO_SERVER_CONF (not set)",
        str(home / ".clio/clio.yaml"),
        "CHI_SERVER_CONF (not set)",
        "WRP_RUNTIME_CONF (not set)",
        str(home / ".clio/chimaera.yaml"),
        str(home / ".chimaera/clio.yaml"),
        str(home / ".chimaera/chimaera.yaml"),
    )


def test_the_variable_comes_before_the_home_directory(home: Path, tmp_path: Path) -> None:
    place(home / ".clio/clio.yaml")
    named = place(tmp_path / "named.yaml", "networking: {port: 9600}\n")
    found = look(home, CLIO_SERVER_CONF=named)
    assert found.path == named
    assert found.targets == (Target(0, "127.0.0.1", 9600),)
    assert found.legacy == ()


@pytest.mark.parametrize("present", range(4))
def test_places_are_looked_at_in_order(home: Path, present: int) -> None:
    places = (*ALL_PLACES, LAST_PLACE)
    for name in places[present:]:
        place(home / name)
    found = look(home)
    assert found.path == home / places[present]
    assert bool(found.legacy) is (present > 0)


@pytest.mark.parametrize("variable", ["CHI_SERVER_CONF", "WRP_RUNTIME_CONF"])
def test_a_legacy_variable_is_accepted_and_flagged(
    home: Path, tmp_path: Path, variable: str
) -> None:
    named = place(tmp_path / "old.yaml")
    found = look(home, **{variable: named})
    assert found.path == named
    (flag,) = found.legacy
    assert variable in flag
    assert "CLIO_SERVER_CONF" in flag


def test_a_legacy_variable_beside_a_new_place_is_not_in_force(home: Path, tmp_path: Path) -> None:
    new = place(home / ".clio/clio.yaml")
    found = look(home, CHI_SERVER_CONF=place(tmp_path / "old.yaml"))
    assert found.path == new
    assert "CHI_SERVER_CONF" in found.legacy[0]


@pytest.mark.parametrize("variable", ["CLIO_SERVER_CONF", "CHI_SERVER_CONF", "WRP_RUNTIME_CONF"])
def test_a_variable_that_names_a_missing_file_is_an_error(home: Path, variable: str) -> None:
    place(home / LAST_PLACE)
    found = look(home, **{variable: "/no/such/clio.yaml"})
    assert found.problem is not None
    assert found.problem.code == "named_file_missing"
    assert variable in found.problem.message
    assert "/no/such/clio.yaml" in found.problem.message
    assert variable in found.problem.remedy
    assert found.config is None
    assert found.targets is None


def test_a_variable_that_names_a_directory_says_so(home: Path, tmp_path: Path) -> None:
    found = look(home, CLIO_SERVER_CONF=tmp_path)
    assert found.problem is not None
    assert "is a directory" in found.problem.message


def test_an_empty_variable_counts_as_not_set(home: Path) -> None:
    assert look(home, CLIO_SERVER_CONF="").problem is None


def test_tilde_is_the_home_directory(home: Path) -> None:
    place(home / "mine.yaml")
    assert look(home, CLIO_SERVER_CONF="~/mine.yaml").path == home / "mine.yaml"


def test_a_relative_hostfile_starts_at_the_config_files_folder(home: Path, tmp_path: Path) -> None:
    place(tmp_path / "etc/hosts.txt", "a\nb:9500\n")
    conf = place(tmp_path / "etc/clio.yaml", "networking: {port: 9600, hostfile: hosts.txt}\n")
    found = look(home, CLIO_SERVER_CONF=conf)
    assert found.hostfile == tmp_path / "etc/hosts.txt"
    assert found.targets == (Target(0, "a", 9600), Target(1, "b", 9500))


def test_the_container_hostfile_comes_first(home: Path, tmp_path: Path) -> None:
    conf = place(tmp_path / "clio.yaml", "networking: {port: 9600, hostfile: /nowhere}\n")
    hosts = place(tmp_path / "hosts", "c\n")
    found = look(home, CLIO_SERVER_CONF=conf, CONTAINER_HOSTFILE=hosts)
    assert found.targets == (Target(0, "c", 9600),)


def test_a_container_hostfile_works_without_a_config_file(home: Path, tmp_path: Path) -> None:
    hosts = place(tmp_path / "hosts", "c\nd\n")
    found = look(home, CONTAINER_HOSTFILE=hosts)
    assert found.targets == (Target(0, "c", 9413), Target(1, "d", 9413))
    assert found.config is None


def test_variables_in_the_hostfiles_path_are_those_of_the_environment(
    home: Path, tmp_path: Path
) -> None:
    place(tmp_path / "hosts", "a\n")
    conf = place(tmp_path / "clio.yaml", "networking: {hostfile: '${WHERE}/hosts'}\n")
    assert look(home, CLIO_SERVER_CONF=conf, WHERE=tmp_path).targets == (Target(0, "a", 9413),)
    unset = look(home, CLIO_SERVER_CONF=conf)
    assert unset.problem is not None
    assert "${WHERE}" in unset.problem.message
    assert unset.config is not None, "the configuration itself is good"


def test_variables_elsewhere_stay_text(home: Path, tmp_path: Path) -> None:
    text = "compose: [{mod_name: x, storage: [{path: '${CLIO_STORAGE_ROOT}/t'}]}]\n"
    found = look(home, CLIO_SERVER_CONF=place(tmp_path / "c.yaml", text))
    assert found.config is not None
    assert found.config["compose"][0]["storage"][0]["path"] == "${CLIO_STORAGE_ROOT}/t"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("networking: 5\n", "networking must be a mapping"),
        ("networking: {port: many}\n", "networking.port"),
        ("networking: {port: 0}\n", "networking.port"),
        ("networking: {port: 65535}\n", "networking.port"),
        ("networking: {port: true}\n", "networking.port"),
        ("networking: {port: 9413.5}\n", "networking.port"),
        ("networking: {hostfile: [a, b]}\n", "networking.hostfile"),
        ("networking: {hostfile: /nowhere/hosts}\n", "/nowhere/hosts"),
        ("- a\n- b\n", "no mapping at its top level"),
        ("just text\n", "no mapping at its top level"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(
    home: Path, tmp_path: Path, text: str, word: str
) -> None:
    found = look(home, CLIO_SERVER_CONF=place(tmp_path / "c.yaml", text))
    assert found.problem is not None
    assert word in found.problem.message
    assert found.targets is None


def test_malformed_yaml_names_line_and_column(home: Path, tmp_path: Path) -> None:
    conf = place(tmp_path / "c.yaml", "networking:\n  port: 9413\n  hostfile: [a\n")
    found = look(home, CLIO_SERVER_CONF=conf)
    assert found.problem is not None
    assert found.problem.code == "malformed_yaml"
    assert (found.problem.line, found.problem.column) == (4, 1)
    assert "line 4, column 1" in found.problem.message
    assert str(conf) in found.problem.message


def test_an_empty_file_is_an_empty_configuration(home: Path, tmp_path: Path) -> None:
    found = look(home, CLIO_SERVER_CONF=place(tmp_path / "c.yaml", "# nothing\n"))
    assert found.config == {}
    assert found.targets == (Target(0, "127.0.0.1", 9413),)


def test_a_byte_order_mark_is_no_part_of_the_text(home: Path, tmp_path: Path) -> None:
    conf = tmp_path / "c.yaml"
    conf.write_bytes(b"\xef\xbb\xbfnetworking: {port: 9500}\n")
    assert look(home, CLIO_SERVER_CONF=conf).targets == (Target(0, "127.0.0.1", 9500),)


def test_bytes_that_are_no_text_are_located(home: Path, tmp_path: Path) -> None:
    conf = tmp_path / "c.yaml"
    conf.write_bytes(b"a: 1\nbc: \xff\n")
    problem = look(home, CLIO_SERVER_CONF=conf).problem
    assert problem is not None
    assert (problem.line, problem.column) == (2, 5)


def test_a_huge_file_is_refused(home: Path, tmp_path: Path) -> None:
    conf = place(tmp_path / "c.yaml", "# " + "x" * 1024 * 1024)
    problem = look(home, CLIO_SERVER_CONF=conf).problem
    assert problem is not None
    assert problem.code == "file_too_large"


def test_the_configuration_that_is_returned_is_masked(home: Path, tmp_path: Path) -> None:
    conf = place(tmp_path / "c.yaml", "s3: {secret_key: hunter2, bucket: b}\n")
    found = look(home, CLIO_SERVER_CONF=conf)
    assert "hunter2" not in repr(found)
    assert found.config == {"s3": {"secret_key": "••••••", "bucket": "b"}}


def test_a_bad_hostfile_leaves_the_configuration_good(home: Path, tmp_path: Path) -> None:
    hosts = place(tmp_path / "hosts", "a\nb:x\n")
    conf = place(tmp_path / "c.yaml", f"networking: {{hostfile: {hosts}}}\n")
    found = look(home, CLIO_SERVER_CONF=conf)
    assert found.config is not None
    assert found.targets is None
    assert found.problem is not None
    assert found.problem.line == 2


def test_comments_in_the_hostfile_are_flagged(home: Path, tmp_path: Path) -> None:
    hosts = place(tmp_path / "hosts", "# nodes\na\n")
    found = look(home, CONTAINER_HOSTFILE=hosts)
    assert found.targets == (Target(1, "a", 9413),)
    assert "line 1" in found.legacy[0]
