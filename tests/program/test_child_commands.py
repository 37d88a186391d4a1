"""Commands as child processes: what they say, how they end, and that none is left."""

import pytest

from tff_retail.program.child_commands import ChildCommands, ChildFailed

# What goes on until it is ended.
_SERVER = ("http.server", "--bind=127.0.0.1", "0")


@pytest.fixture
def commands(tmp_path):
    with ChildCommands(tmp_path) as commands:
        yield commands


def test_what_a_command_printed(commands, tmp_path):
    said = commands.run("one two", "base64", "-t")
    assert said
    assert (tmp_path / "one two.log").read_text(encoding="utf-8") == said


def test_a_failure_names_the_command_its_end_and_its_last_line(commands, tmp_path):
    with pytest.raises(ChildFailed) as failed:
        commands.run("wrong", "no_such_module_here")
    assert str(failed.value).startswith("wrong ended with exit code 1: ")
    assert str(failed.value).endswith(
        f"No module named no_such_module_here (see {tmp_path / 'wrong.log'})"
    )


def test_lines_come_once(commands):
    child = commands.start("help", "base64", "-h")
    child.finish()
    assert child.new_lines() == child.said().splitlines()
    assert child.new_lines() == []


def test_waiting_ends_with_the_line_or_with_the_child(commands):
    server = commands.start("server", *_SERVER)
    with pytest.raises(ChildFailed, match="server did not say 'nothing of the kind' within 0 s"):
        server.wait_for("nothing of the kind", within_s=0.01)
    ended = commands.start("ended", "no_such_module_here")
    with pytest.raises(ChildFailed, match="ended ended with exit code 1"):
        ended.wait_for("nothing of the kind", within_s=60)
    server.kill()
    with pytest.raises(ChildFailed, match="server ended with signal 9"):
        server.finish()


def test_none_is_left(tmp_path):
    with ChildCommands(tmp_path) as commands:
        server = commands.start("server", *_SERVER)
        assert server.is_running
    assert not server.is_running
