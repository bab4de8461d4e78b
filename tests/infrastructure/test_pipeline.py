"""The pipeline: its roles may do what a deployment of their stage does, and its workflow gives them to nobody else."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops import pipeline
from ops.check import policy_faults
from ops.config import ConfigError, load

ROOT = Path(__file__).resolve().parent.parent.parent
STAGE = load(ROOT)["dev"].stage
WORKFLOW = ROOT / ".github" / "workflows" / "deploy.yml"
WITHOUT_A_NAME = {
    "Apis": "AWS chooses the ids of APIs",
    "ReadApis": "the same",
    "Subscriptions": "SNS knows no resource for these actions",
    "FindLogGroups": "a list can be asked for as a whole alone, and holds names",
    "ReadLogGroups": "the same",
}
"""Statements whose resources no name of the stage limits, and why."""


def resolved(statements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    text = json.dumps(statements).replace("${AWS::Partition}", "aws").replace("${AWS::Region}", "eu-central-1")
    found: list[dict[str, Any]] = json.loads(text.replace("${AWS::AccountId}", "123456789012"))
    return found


ROLES = {"deploy": resolved(pipeline.deploying(STAGE)), "diff": resolved(pipeline.comparing(STAGE))}


@pytest.mark.parametrize("role", ROLES)
def test_parliament_knows_every_action_and_its_resource(role: str) -> None:
    faults = policy_faults(json.dumps({"Version": "2012-10-17", "Statement": ROLES[role]}))
    assert [fault for fault in faults if "a resource with a wildcard" not in fault] == []


@pytest.mark.parametrize("role", ROLES)
def test_every_resource_is_the_stages_own(role: str) -> None:
    for statement in ROLES[role]:
        own = all(re.search(r"[:/]herald(-|/)dev\b", arn) for arn in statement["Resource"])
        assert own != (statement["Sid"] in WITHOUT_A_NAME), statement


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "other",
    [
        "arn:aws:lambda:eu-central-1:123456789012:function:herald-dev2",
        "arn:aws:lambda:eu-central-1:123456789012:function:herald-prod-destined",
        "arn:aws:iam::123456789012:role/herald-dev2-destined",
        "arn:aws:iam::123456789012:role/herald-deploy-dev",
        "arn:aws:iam::123456789012:role/herald-diff-dev",
        "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/herald-dev2",
        "arn:aws:ssm:eu-central-1:123456789012:parameter/herald/dev/pushover/token",
        "arn:aws:ssm:eu-central-1:123456789012:parameter/herald/dev2/deployed",
        "arn:aws:dynamodb:eu-central-1:123456789012:table/herald-dev2-messages",
        "arn:aws:s3:::herald-dev2-releases-123456789012-eu-central-1",
        "arn:aws:cloudformation:eu-central-1:123456789012:stack/herald-dev2-data/1",
        "arn:aws:events:eu-central-1:123456789012:event-bus/herald-dev2",
    ],
)
def test_another_stage_the_roles_themselves_and_secrets_are_out_of_reach(role: str, other: str) -> None:
    reached = [
        statement["Sid"]
        for statement in ROLES[role]
        if statement["Sid"] not in WITHOUT_A_NAME and any(fnmatchcase(other, arn) for arn in statement["Resource"])
    ]
    assert reached == []


def test_the_role_of_a_pull_request_only_reads() -> None:
    actions = {action.partition(":")[2] for statement in ROLES["diff"] for action in statement["Action"]}
    assert {action for action in actions if not action.startswith(("Get", "Describe", "GET"))} == set()


def test_no_pipeline_deletes_what_holds_messages() -> None:
    actions = {action for statement in ROLES["deploy"] for action in statement["Action"]}
    assert actions.isdisjoint({"dynamodb:DeleteTable", "sqs:DeleteQueue", "logs:DeleteLogGroup"})


def test_each_role_lets_in_one_repository_and_there_one_environment_or_pull_requests() -> None:
    made = pipeline.template(STAGE)["Resources"]
    for name, subject in (
        ("Deploy", "environment:${Environment}"),
        ("Compare", "pull_request"),
    ):
        (trust,) = made[name]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
        assert trust["Condition"] == {
            "StringEquals": {
                "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
                "token.actions.githubusercontent.com:sub": {"Fn::Sub": f"repo:${{Repository}}:{subject}"},
            }
        }


def test_policies_fit_into_a_role() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: 10,240 characters without blanks."""
    for statements in ROLES.values():
        assert len(json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))) <= 10_240


# The workflow


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    found: dict[Any, Any] = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    return {"on" if key is True else key: value for key, value in found.items()}  # YAML 1.1 takes `on` for a boolean.


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_actions_of_others_are_pinned_by_their_commit(workflow: dict[str, Any]) -> None:
    used = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert used
    for action in used:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", action), action


def test_no_step_writes_what_an_event_says_into_a_shell(workflow: dict[str, Any]) -> None:
    assert [step["run"] for step in steps(workflow) if "${{" in step.get("run", "")] == []
    assert workflow["on"] == {"pull_request": None, "push": {"branches": ["main"]}, "workflow_dispatch": None}


def test_only_what_signs_in_has_a_token_and_a_fork_never_has(workflow: dict[str, Any]) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    jobs = workflow["jobs"]
    signed_in = {name for name, job in jobs.items() if job.get("permissions", {}).get("id-token") == "write"}
    assert signed_in == {"diff", "deploy"}
    assert "github.event.pull_request.head.repo.full_name == github.repository" in jobs["diff"]["if"]
    assert "github.ref == 'refs/heads/main' && github.event_name != 'pull_request'" in jobs["deploy"]["if"]
    assert jobs["deploy"]["environment"]
    assert jobs["deploy"]["concurrency"]["cancel-in-progress"] is False
    assert all(job["timeout-minutes"] for job in jobs.values())
    for step in steps(workflow):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"] == {"persist-credentials": False}


def test_what_is_deployed_was_checked_and_tested_and_is_compared_first(workflow: dict[str, Any]) -> None:
    jobs = workflow["jobs"]
    assert [step["run"] for step in jobs["test"]["steps"] if "run" in step] == ["make setup", "make check", "make test"]
    assert jobs["deploy"]["needs"] == "test"
    runs = [step["run"] for step in jobs["deploy"]["steps"] if "run" in step]
    assert [run.split()[1] for run in runs if run.startswith("make ")] == ["setup", "diff", "deploy", "smoke"]


def test_every_command_of_the_workflow_exists(workflow: dict[str, Any]) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for step in steps(workflow):
        words = step.get("run", "").split()
        if words[:1] == ["make"]:
            assert words[1] in targets, step
        elif words and words[0].startswith(".github/"):
            assert (ROOT / words[0]).stat().st_mode & 0o111, step


def test_no_stage_may_have_a_name_that_makes_a_role_or_stack_of_a_pipeline_its_own(tmp_path: Path) -> None:
    """A role that is called as what is the stage's own is, could change itself."""
    resources = pipeline.template(STAGE)["Resources"].values()
    roles = {each["Properties"]["RoleName"] for each in resources if each["Type"] == "AWS::IAM::Role"}
    stacks = set(re.findall(r"--stack-name (\S+-dev)\b", (ROOT / "docs/pipeline.md").read_text(encoding="utf-8")))
    assert len(roles) == 2
    assert stacks
    text = (ROOT / "herald.toml").read_text(encoding="utf-8")
    for name in roles | stacks:
        stage = name.removeprefix("herald-").removesuffix("-dev")
        (tmp_path / "herald.toml").write_text(f"{text}\n[stages.{stage}]\n", encoding="utf-8")
        with pytest.raises(ConfigError, match=f"stages.{stage}: .*{name}"):
            load(tmp_path)
