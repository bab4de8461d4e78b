"""What README.md and docs/ show is right: configuration is taken, and commands of AWS's are ones that there are.

Other commands are run by tests/e2e/test_documented_commands.py; tests/e2e/browser/test_with_script.py sends the forms.
"""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import jmespath
import pytest
from botocore.session import Session

from ops.config.loader import ConfigError, load
from tests.contracts import fits
from tests.snippets import NOT_RUN, OF_AWS, Snippet, snippets
from website.__main__ import as_toml

ROOT = Path(__file__).parents[2]
BESIDE = """
[sites.shop]
thanks = "https://shop.example.com/thanks.html"
channels = ["pushover"]
[channels.email]
kind = "email"
from = "herald@example.com"
to = ["you@example.com"]
[values]
bucket = "uploads"
[stages.prod]
account = "123456789012"
region = "eu-central-1"
"""
"""What the reader of a page has besides what it shows."""
CLI_ALONE = ("cloudformation deploy", "s3 cp")
"""Commands of the AWS CLI's own, which are no single operation."""


def merged(one: Any, other: Any) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        return one | {key: merged(one.get(key), value) for key, value in other.items()}
    return other


def written(folder: Path, whole: dict[str, Any]) -> Path:
    """Write a configuration as ``herald.toml`` into a folder; the folder."""
    text = "".join(f"{key} = {as_toml(value)}\n" for key, value in whole.items())
    assert tomllib.loads(text) == whole
    (folder / "herald.toml").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("snippet", snippets(ROOT, "toml"), ids=str)
def test_a_configuration_that_is_shown_is_taken(snippet: Snippet, tmp_path: Path) -> None:
    shown = tomllib.loads(snippet.text)
    if "thanks" in shown:  # Its page says below which table.
        shown = {"stages": {"local": {"sites": {"default": shown}}}}
    start = tomllib.loads((ROOT / "herald.toml").read_text(encoding="utf-8"))
    assert "local" in load(written(tmp_path, merged(merged(start, tomllib.loads(BESIDE)), shown)))


def test_the_file_to_edit_is_right_with_every_table_that_it_offers(tmp_path: Path) -> None:
    text = (ROOT / "herald.toml").read_text(encoding="utf-8")
    offered = re.sub(r"^# (?=\[|[a-z_]+ = )", "", text, flags=re.MULTILINE)
    assert len(tomllib.loads(offered)["channels"]) > len(tomllib.loads(text)["channels"])
    (tmp_path / "herald.toml").write_text(offered, encoding="utf-8")
    assert load(tmp_path)["dev"].region == "eu-central-1"


@pytest.mark.parametrize("snippet", snippets(ROOT, "json"), ids=str)
def test_json_that_is_shown_can_be_read_and_keeps_its_contract(snippet: Snippet) -> None:
    text = snippet.text.replace("…", "x")  # It stands for the rest of an id.
    for shown in map(json.loads, text.splitlines() if text.count('{"version"') > 1 else [text]):
        if snippet.page == "docs/invoke-api.md":
            fits(*contract_of(shown), shown)


def contract_of(shown: dict[str, Any]) -> tuple[str, str]:
    """Which function's contract this is an example of, and which part of it."""
    if "version" in shown:
        return "notify" if "title" in shown else "list_messages" if "site" in shown else "get_message", "request"
    return "get_message" if "history" in shown else "notify", "answer"


@cache
def model(service: str) -> Any:
    return Session().get_service_model(service)


def check_aws(command: str) -> None:
    """That a command line names an operation with parameters that it has, and all that it must have."""
    words = shlex.split(next(part for part in re.split(r" [|>] ", command) if OF_AWS.search(part)))
    service, operation, *rest = words[words.index("aws") + 1 :]
    if f"{service} {operation}" in CLI_ALONE:
        return
    camel = {
        re.sub(r"(?<!^)(?=[A-Z][a-z])|(?<=[a-z0-9])(?=[A-Z])", "-", it).lower(): it
        for it in model(service).operation_names
    }
    shape = model(service).operation_model(camel[operation]).input_shape
    known = {re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", it).lower(): it for it in shape.members} if shape else {}
    given = {word.removeprefix("--") for word in rest if word.startswith("--")}
    own = {"query", "output", "cli-read-timeout", "overwrite", "with-decryption"} - set(known)
    assert given - set(known) <= own, f"{operation} doesn't know {given - set(known) - own}"
    needed = {name for name, member in known.items() if shape and member in shape.required_members}
    assert needed <= given
    for option, value in pairwise(rest):
        if option == "--query":
            jmespath.compile(value)


SHOWN = [(each, line) for each in snippets(ROOT, "sh") for line in each.commands()]
AWS = [(f"{each}-{number}", line) for number, (each, line) in enumerate(SHOWN) if OF_AWS.search(line)]


@pytest.mark.parametrize("command", [line for _, line in AWS], ids=[name for name, _ in AWS])
def test_a_command_of_aws_that_is_shown_is_one_that_there_is(command: str) -> None:
    inner = re.findall(r"\$\((aws [^()]*)\)", command)
    outer = re.sub(r"\$\(aws [^()]*\)", "it", command)
    for one in [*inner, *([outer] if OF_AWS.search(outer) else [])]:
        check_aws(one)


@pytest.mark.parametrize(
    "command",
    [
        "aws sqs no-such-operation",
        "aws sqs receive-message --queue-urls it",
        "aws sqs receive-message --max-number-of-messages 10",
        "aws sqs receive-message --queue-url it --query 'Messages[*'",
    ],
)
def test_a_command_that_there_is_not_is_noticed(command: str) -> None:
    with pytest.raises((AssertionError, KeyError, jmespath.exceptions.ParseError)):
        check_aws(command)


def test_each_reason_not_to_run_a_command_is_needed() -> None:
    assert [each for each in NOT_RUN if not any(re.match(each, line) for _, line in SHOWN)] == []


def test_the_mistakes_that_are_shown_are_told_so(root: Path, tmp_path: Path) -> None:
    page = (root / "docs/configuration.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```\nError: (herald.toml has mistakes:\n.*?)```", page, re.DOTALL | re.MULTILINE)
    wrong = {
        "limits": {"body_kib": 100},
        "sites": {"default": {"thanks": "http://www.example.com/thanks.html"}},
        "stages": {"dev": {"sites": {"shop": {"thanks": "https://www.example.com/", "channels": []}}}},
    }
    whole = merged(tomllib.loads((root / "herald.toml").read_text(encoding="utf-8")), wrong)
    with pytest.raises(ConfigError) as told:
        load(written(tmp_path, whole))
    assert str(told.value).splitlines() == shown.splitlines()
