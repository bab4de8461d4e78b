"""Commands for stage ``local`` where no local stack runs, or something else has its port; and claiming ports."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import click
import pytest
from click.testing import CliRunner

from ops.cli.main import main
from ops.errors import OpsError
from ops.local.ports import AWS_PORT, Ports
from ops.loopback import credentials
from tests import rights


def every_command(
    group: click.Group = main, above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from every_command(command, (*above, name))
        else:
            yield (*above, name), command


NEEDED = {
    "trace": ["x"],
    "notify": ["Hello"],
    "replay": ["--letters"],
    "messages show": ["x"],
    "messages export": ["--output", "never"],
    "messages erase": ["--until", "1d", "--yes"],
    "messages mark-answered": ["x"],
    "quarantine add": ["x"],
    "quarantine release": ["x"],
    "secrets set": ["pushover"],
    "destroy": ["--yes"],
    "inbox": ["--browser"],
    "messages files": ["some-id", "--output", "folder"],
}
"""What a command wants besides its stage, and what it would open or make."""
OF_A_STAGE = [
    words
    for words, command in every_command()
    if any(option.name == "stage" for option in command.params) and words != ("policies",)
]


@pytest.mark.parametrize("words", OF_A_STAGE, ids=" ".join)
def test_without_a_local_stack_each_command_says_how_to_start_it_before_it_opens_anything(
    words: tuple[str, ...], root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # Nobody listens there.
        port = str(taken.getsockname()[1])
        command = [*words, "--stage", "local", "--project", str(root), *NEEDED.get(" ".join(words), ())]
        answer = CliRunner().invoke(main, command, input="secret\n", env={AWS_PORT: port})
        assert not list(tmp_path.iterdir())
    said = answer.stdout if words == ("doctor",) else answer.stderr
    assert answer.exit_code == 1, answer.output
    assert f"no local stack at 127.0.0.1:{port}. Start it: make run. If it has another port, set {AWS_PORT}" in said
    assert "sso" not in answer.output
    assert "/open?token=" not in answer.output


def test_the_page_of_rights_has_each_command(root: Path) -> None:
    page = root / "docs/rights.md"
    assert {" ".join(words) for words in OF_A_STAGE} - {*rights.rows(page), *rights.deploying(page)} == set()


class Page(BaseHTTPRequestHandler):
    """Some other program's answer to whatever it is asked."""

    def do_POST(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html><p>Hello</html>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def other_program() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, args=(0.01,)).start()
        yield server.server_port
        server.shutdown()


def test_another_program_on_the_local_stacks_port_is_told_from_a_stack(other_program: int) -> None:
    answer = CliRunner().invoke(main, ["urls", "--stage", "local"], env={AWS_PORT: str(other_program)})
    assert answer.exit_code == 1, answer.output
    assert f"what answers at 127.0.0.1:{other_program} is not the local stack of this checkout" in answer.stderr
    assert AWS_PORT in answer.stderr


@pytest.mark.parametrize("content", ["", "[default]\n", "[default]\naws_access_key_id = test\n", "\xff"])
def test_keys_that_cannot_be_read_are_none(content: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        credentials.create(port)
        credentials.file_of(port).write_text(content, encoding="utf-8")
        with pytest.raises(OpsError, match=f"no local stack at 127.0.0.1:{port}"):
            credentials.keys(f"http://127.0.0.1:{port}")
        credentials.remove(port)


def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_free_ports_are_claimed_in_silence() -> None:
    Ports.free().claim()


def typed_instead(ports: Ports) -> tuple[str, Ports]:
    """What is said of ports in use, and the ports of the line that it proposes."""
    with pytest.raises(OpsError, match=r"in use.* make run") as refused:
        ports.claim()
    return str(refused.value), Ports.of(dict(re.findall(r"(\w+)=(\d+)", str(refused.value))))


@pytest.mark.parametrize("in_use", [["aws"], ["web"], ["aws", "web"]], ids=" ".join)
def test_ports_in_use_are_named_with_a_line_that_helps(in_use: list[str]) -> None:
    with ExitStack() as listening:

        def taken() -> int:
            return int(listening.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1])

        ports = Ports(*(taken() if name in in_use else free() for name in ("aws", "web")))
        said, others = typed_instead(ports)
        others.claim()
    for name in ("aws", "web"):
        assert (f"port {getattr(ports, name)} " in said) is (name in in_use)
        assert (getattr(others, name) != getattr(ports, name)) is (name in in_use)


def test_a_port_is_not_proposed_that_the_other_has_or_is_proposed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        near = port + 1000 if port < 60000 else port - 1000
        assert typed_instead(Ports(port, near))[1].aws not in (port, near)
        assert typed_instead(Ports(near, port))[1].web not in (port, near)
