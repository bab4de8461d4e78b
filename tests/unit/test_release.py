"""A release is data: it is read back as it was, and the one to go back to is found."""

from __future__ import annotations

import json
from pathlib import Path
from zipfile import ZipFile

import pytest

from ops.deploy.diff import Change, as_markdown, compared, files, policy
from ops.deploy.release import Code, FunctionPlan, Release, StackPlan, UnreadableRelease
from ops.deploy.release_history import CurrentRelease, rollback_target
from ops.errors import OpsError
from tests.fakes import stage

RELEASE = Release(
    stage="dev",
    python="python3.11",
    foundation=StackPlan("herald-dev-foundation", "Resources: {}", {"Prefix": "herald-dev"}),
    wiring=StackPlan("herald-dev-wiring", "Resources: {}", {}, ("RuleDeadLettersArn",)),
    functions=(
        FunctionPlan("destined", "herald-dev-destined", "role", "/log", 512, 120, {"A": "b"}, None, {}, False, True),
        FunctionPlan("retry_due", "herald-dev-retry_due", "role", "/log", 256, 60, {}, 2, {"V": "1"}, True, False),
    ),
    event_buckets=("uploads",),
    rate=10,
    burst=20,
    answers={"THROTTLED": {"statusCode": "429"}},
    log_retention_days=30,
    alarms_to=None,
    xray=False,
    target_policies={"sqs:inbox": [{"Sid": "HeraldDevRuleInbox"}]},
    chalice={"version": "2.0"},
    code=Code("abc=", {"app.py": "1"}),
)


def test_what_is_kept_is_read_as_it_was() -> None:
    assert Release.from_json(RELEASE.to_json()) == RELEASE
    assert RELEASE.schedules == {"destined": False, "retry_due": True}


KEPT = json.loads(RELEASE.to_json())
WITHOUT = {key: value for key, value in KEPT.items() if key != "xray"}


@pytest.mark.parametrize("kept", [WITHOUT, KEPT | {"more": 1}, [KEPT], ""], ids=["without", "more", "list", "no JSON"])
def test_a_release_of_another_version_is_an_error_in_words(kept: object) -> None:
    with pytest.raises(UnreadableRelease, match="kept by another version of Herald"):
        Release.from_json(json.dumps(kept) if kept else "{")


@pytest.mark.parametrize(
    ("standing", "ids", "target"),
    [
        (CurrentRelease("3", whole=True), ["3", "2", "1"], "2"),
        (CurrentRelease("2", whole=True), ["3", "2", "1"], "1"),
        (CurrentRelease("3", whole=False), ["3", "2", "1"], "3"),
        (CurrentRelease("2", whole=False), ["3", "2", "1"], "2"),
    ],
    ids=["the one before", "one further back", "what stood before it broke off", "a rollback broke off"],
)
def test_the_release_to_go_back_to(standing: CurrentRelease, ids: list[str], target: str) -> None:
    assert rollback_target(standing, ids, stage("dev")) == target


@pytest.mark.parametrize(
    ("standing", "ids"),
    [
        (CurrentRelease("1", whole=True), ["1"]),
        (CurrentRelease(None, whole=False), []),
        (CurrentRelease("9", whole=False), []),
    ],
)
def test_where_there_is_none_it_says_what_there_is(standing: CurrentRelease, ids: list[str]) -> None:
    with pytest.raises(OpsError, match=r"\./herald releases --stage dev"):
        rollback_target(standing, ids, stage("dev"))


def test_the_same_code_has_the_same_hashes_however_it_was_packed(tmp_path: Path) -> None:
    def packed(*names: str) -> Code:
        with ZipFile(tmp_path / "it.zip", "w") as archive:
            for name in names:
                archive.writestr(name, f"text of {name}")
        return Code.of(tmp_path / "it.zip")

    one, other = packed("app.py", "lib.pyc", "__pycache__/app.pyc"), packed("lib.pyc", "app.py")
    assert one.files == other.files
    assert set(one.files) == {"app.py", "lib.pyc"}
    assert one.sha256 != other.sha256


def test_files_that_differ_are_named_and_many_are_counted() -> None:
    one = Code("", {"app.py": "1", "gone.py": "1", "same.py": "1"})
    other = Code("", {"app.py": "2", "new.py": "1", "same.py": "1"})
    assert list(files(one, other)) == ["+- app.py", "- gone.py", "+ new.py"]
    many = Code("", {"app.py": "1"} | {f"urllib3/{number}.py": "1" for number in range(30)})
    assert list(files(many, Code("", {"app.py": "2"}))) == ["+- app.py", "+ urllib3: 30 files differ"]


def test_a_policy_is_shown_as_what_may_be_done_to_what() -> None:
    document = {
        "Statement": [
            {"Sid": "B", "Effect": "Allow", "Action": ["s:Two", "s:One"], "Resource": "arn:b"},
            {"Sid": "A", "Effect": "Deny", "Action": "s:Any", "Resource": ["arn:a"], "Condition": {"Bool": {"k": "v"}}},
        ]
    }
    assert policy(document) == [
        "Allow s:One on arn:b  (B)",
        "Allow s:Two on arn:b  (B)",
        'Deny s:Any on arn:a only if {"Bool": {"k": "v"}}  (A)',
    ]


def test_a_comment_stays_within_what_github_takes() -> None:
    long = tuple(f"+ line {number}" for number in range(1000))
    text = "\n".join(as_markdown([Change("stack", "herald-dev-wiring", long)], "Heading"))
    assert "+ line 59\n  … and 940 more lines\n```" in text
    assert text.startswith("### Heading\n")
    assert "Nothing would change" in "\n".join(as_markdown([], "Heading"))


TEMPLATE = """\
Parameters:
  SendEvent:
    Type: String
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      TopicName: !Ref TopicName
  Api:
    Type: AWS::ApiGateway::RestApi
    Condition: HasSendEvent
""".splitlines()


def test_a_stack_that_is_new_or_gone_shows_its_resources_and_one_that_changes_its_lines() -> None:
    resources = ["Topic AWS::SNS::Topic", "Api AWS::ApiGateway::RestApi (if HasSendEvent)"]
    assert list(compared("stack", None, TEMPLATE)) == [f"+ {line}" for line in resources]
    assert list(compared("stack", TEMPLATE, None)) == [f"- {line}" for line in resources]
    changed = [line.replace("!Ref TopicName", "other") for line in TEMPLATE]
    found = [line for line in compared("stack", TEMPLATE, changed) if line[0] in "+-"]
    assert found == ["-       TopicName: !Ref TopicName", "+       TopicName: other"]


def test_of_other_parts_each_line_that_differs_is_shown_alone() -> None:
    found = compared("function", ["512 MB", "10 s at most"], ["1024 MB", "10 s at most"])
    assert list(found) == ["- 512 MB", "+ 1024 MB"]
    assert list(compared("log", None, ["kept for 30 days"])) == ["+ kept for 30 days"]
    assert list(compared("policy", ["Allow a on b"], None)) == ["- Allow a on b"]
