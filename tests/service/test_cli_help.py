"""Every command of `parley`: what its help says, and that its exit codes are those of the documents."""

import argparse
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.cli.arguments import children
from deploy.cli.main import main, parser
from deploy.cli.terminal import table
from tests.support.ports import free_port, free_ports
from tests.support.processes import ROOT

NO_JSON = {"parley up", "parley asyncapi"}
"""The one runs until it is stopped, the other prints JSON alone."""
DESTROYING = {"parley restore", "parley dead-letters drop"}
NEEDS_NOTHING_THAT_RUNS = {"parley init", "parley asyncapi"}
NEEDS_NO_SETTINGS = {*NEEDS_NOTHING_THAT_RUNS, "parley doctor"}


def all_below(whole: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    for below in children(whole):
        yield below
        yield from all_below(below)


GROUPS = [each for each in all_below(parser()) if list(children(each))]
COMMANDS = [each for each in all_below(parser()) if not list(children(each))]


def name(of: argparse.ArgumentParser) -> str:
    return of.prog


def actions(command: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in command._actions if not isinstance(action, argparse._HelpAction)]


def argv(command: argparse.ArgumentParser) -> list[str]:
    """The shortest way to call a command that its parser takes."""
    words = command.prog.split()[1:]
    for action in actions(command):
        if not action.option_strings and (action.nargs != "?" or command.prog == "parley user create"):
            words.append("7" if action.dest == "number" else "new.zip" if action.type is Path else "ann")
    if command.prog == "parley restore":
        words.append("--accept-gap")
    if command.prog in DESTROYING:
        words.append("--yes")
    if any("--timeout" in action.option_strings for action in actions(command)):
        words += ["--timeout", "1"]
    return words


def test_there_are_commands_to_be_looked_at() -> None:
    assert {name(each) for each in COMMANDS} >= {"parley doctor", "parley queue list", "parley user create"}
    assert {name(each) for each in GROUPS} >= {"parley queue", "parley dead-letters", "parley user"}


@pytest.mark.parametrize("command", COMMANDS, ids=name)
def test_the_help_of_a_command_says_what_it_does_and_shows_an_example(command: argparse.ArgumentParser) -> None:
    assert command.description, "what does it do?"
    assert f"\n  {command.prog}" in ((command.epilog and command.format_help()) or "").partition("examples:")[2]


@pytest.mark.parametrize("command", [*COMMANDS, *GROUPS], ids=name)
def test_every_argument_is_explained(command: argparse.ArgumentParser) -> None:
    for action in actions(command):
        is_plain = action.dest in {"username", "verb"} or isinstance(action, argparse._SubParsersAction)
        assert action.help or is_plain, f"what is {action.dest}?"


@pytest.mark.parametrize("command", [*COMMANDS, *GROUPS], ids=name)
def test_the_help_of_a_command_fits_a_narrow_terminal(
    command: argparse.ArgumentParser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    long = [line for line in command.format_help().partition("examples:")[0].splitlines() if len(line) > 80]
    assert not long


@pytest.mark.parametrize("command", COMMANDS, ids=name)
def test_every_command_prints_json_and_what_destroys_can_be_confirmed(command: argparse.ArgumentParser) -> None:
    options = {option for action in actions(command) for option in action.option_strings}
    assert ("--json" in options) == (name(command) not in NO_JSON)
    assert ("--yes" in options) == (name(command) in DESTROYING)


@pytest.mark.parametrize("command", [*COMMANDS, *GROUPS], ids=name)
def test_wrong_use_of_a_command_exits_with_2(command: argparse.ArgumentParser) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command.prog.split()[1:], "--no-such-option"])
    assert ended.value.code == 2


@pytest.mark.parametrize("command", [each for each in COMMANDS if name(each) not in NEEDS_NO_SETTINGS], ids=name)
def test_settings_that_cannot_be_used_exit_with_2(
    command: argparse.ArgumentParser, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARLEY_PORT", "none")
    assert main(argv(command)) == 2
    assert "PARLEY_PORT is 'none'" in capsys.readouterr().err


@pytest.mark.parametrize("command", [each for each in COMMANDS if name(each) != "parley up"], ids=name)
def test_where_nothing_is_up_a_command_fails_with_1_and_says_what_to_do(
    command: argparse.ArgumentParser,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARLEY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PARLEY_PORT", str(free_ports(4)))
    monkeypatch.setenv("PARLEY_NATS_URL", f"nats://127.0.0.1:{free_port()}")
    monkeypatch.setenv("PARLEY_DATABASE_URL", f"postgresql+asyncpg://ann:s3cr3t-word@127.0.0.1:{free_port()}/chat")
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\n"))
    code = main(argv(command))
    printed, complaint = capsys.readouterr()
    assert "s3cr3t-word" not in printed + complaint
    if name(command) in NEEDS_NOTHING_THAT_RUNS:
        assert code == 0
    else:
        assert code == 1
        told = printed if name(command) == "parley doctor" else complaint
        assert "127.0.0.1" in told or "PARLEY_" in told or "no file" in told, told
        assert "Traceback" not in told


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("parley 0.")


def test_a_reader_who_has_seen_enough_is_no_trouble() -> None:
    command = [sys.executable, "-m", "deploy.cli.main", "asyncapi"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.read(1) == b"{"
        child.stdout.close()
        assert child.stderr.read() == b""


ROWS = [
    {"name": "ann", "count": 7, "share": "50 %", "reason": "a long story that goes on and on"},
    {"name": "ben", "count": 1200, "share": "5 %", "reason": "short\x1b[31m"},
]


def test_a_table_has_numbers_to_the_right_and_cuts_what_does_not_fit() -> None:
    columns = ("name", "count", "share", "reason")
    assert table(ROWS, columns, None) == [
        "NAME  COUNT  SHARE  REASON",
        "ann       7   50 %  a long story that goes on and on",
        "ben    1200    5 %  short�[31m",
    ]
    narrow = table(ROWS, columns, 32)
    assert max(map(len, narrow)) == 32
    assert narrow[1].endswith("a long stor…")
    assert table([], ("name",), 80) == ["NAME"]


def test_the_json_of_a_table_is_not_cut(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    assert main(["asyncapi"]) == 0
    assert json.loads(capsys.readouterr().out)["asyncapi"] == "3.0.0"
