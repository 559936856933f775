"""Words stay words: nothing that is set or typed can become shell syntax."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.control.remote.run import dry_run
from apps.control.remote.script import CommandUnusable, command_argv, marked_argv, shell_line
from apps.control.remote.types import Command, HostKeyPolicy
from tests.control.conftest import Shell

HOSTILE = [
    "$(touch /tmp/pwned)",
    "`id`",
    "; rm -rf /",
    "a'b\"c",
    "$HOME",
    "new\nline",
    "~",
    "-rf",
    "*",
    "",
    "a\\",
    "grüße",
]
ENDS = ["; true", "\n", "'", '"', "&&", "|", ">", "$", "!", "#"]
words = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=20)


def seen_by(line: str, shell: str = "sh") -> list[str]:
    """The words that a program gets when a login shell reads `line`."""
    answer = subprocess.run([shell, "-c", line], capture_output=True, check=True)
    return answer.stdout.decode().split("\0")[:-1]


@given(st.lists(words, max_size=5), st.dictionaries(st.sampled_from(["A", "CLIO_X"]), words))
@settings(max_examples=40, deadline=None)
def test_any_words_arrive_as_they_are(arguments: list[str], env: dict[str, str]) -> None:
    command = Command(argv=["/usr/bin/printf", "%s\\0", "first", *arguments], env=env)
    line = shell_line(command_argv(command, limit_s=30))
    assert seen_by(line) == ["first", *arguments]


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_hostile_words_arrive_as_they_are(shell: str) -> None:
    argv = ["/usr/bin/printf", "%s\\0", *HOSTILE, *ENDS]
    line = shell_line(marked_argv(command_argv(Command(argv=argv), limit_s=30)))
    mark, *rest = seen_by(line, shell)
    assert mark.startswith("clio-portal-pid ")
    assert [mark.partition("\n")[2], *rest] == [*HOSTILE, *ENDS]


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_of_the_environment_arrive_as_they_are(value: str) -> None:
    command = Command(argv=["/usr/bin/printenv", "-0", "CLIO_X"], env={"CLIO_X": value})
    assert seen_by(shell_line(command_argv(command, limit_s=30))) == [value]


@pytest.mark.parametrize(
    "command",
    [
        Command(argv=[]),
        Command(argv=[""]),
        Command(argv=["-c"]),
        Command(argv=["A=B"]),
        Command(argv=["/bin/true", "a\0b"]),
        Command(argv=["/bin/true"], env={"A B": "c"}),
        Command(argv=["/bin/true"], env={"A=": "c"}),
        Command(argv=["/bin/true"], env={"A": "\0"}),
    ],
)
def test_what_can_not_be_run_is_refused(command: Command) -> None:
    with pytest.raises(CommandUnusable) as caught:
        command_argv(command, limit_s=5)
    assert caught.value.code == "command_unusable"
    assert caught.value.remedy


def test_a_dry_run_shows_the_words_the_machine_the_person_and_the_way(local: Shell) -> None:
    command = Command(argv=["/opt/x y/clio_run", "stop"], env={"CLIO_SERVER_CONF": "/etc/c.yaml"})
    shown = dry_run(local.access, command, deadline_s=75)
    assert shown.command_line == (
        "env CLIO_SERVER_CONF=/etc/c.yaml timeout -k 5 75 '/opt/x y/clio_run' stop"
    )
    assert shown.where == "the portal's own machine"
    assert shown.via == "directly, without SSH"
    assert shown.warnings == ()


def test_a_dry_run_warns(shell: Shell) -> None:
    access = shell.but(host_key_policy=HostKeyPolicy.OFF).access
    start = Command(argv=["/opt/clio_run", "start"], detached=True, log_path="/x.log")
    shown = dry_run(access, start)
    assert shown.where == f"127.0.0.1:{access.port}"
    assert shown.as_whom == access.user
    assert "host keys: off" in shown.via
    assert [warning.split(" ")[0] for warning in shown.warnings] == ["CLIO_SERVER_CONF", "Host"]
    assert "setsid nohup" in shown.command_line
    assert shown.command_line.endswith(" clio-portal /x.log /opt/clio_run start")
