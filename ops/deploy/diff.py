"""``make diff``: find what a deployment would change, without changing the account or the checkout.

Both sides become the same table: lines of text for each part of the stage, such as a function or a policy. The deployed
side is read from the account itself, so a change by hand shows too. Only the code is compared with the kept release, as
Lambda gives no more than its hash.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.settings import Stage
from ops.aws import cloudformation
from ops.aws.account import Account
from ops.config.loader import StageConfig
from ops.deploy import chalice_runner, chalice_state, drift
from ops.deploy.deployment import Deployment, current_parameters
from ops.deploy.project_copy import mirror
from ops.deploy.release import Code, FunctionPlan, Release, StackPlan, UnreadableRelease, data, file_bucket, plan
from ops.deploy.release_history import Releases
from ops.errors import ignoring_aws_error
from ops.generate import render
from ops.generate.render import API_STAGE, ARCHITECTURE

Lines = list[str]
Table = dict[tuple[str, str], Lines]
"""The lines of each part, by section and name."""

SECTIONS = ("code", "function", "policy", "stack", "api", "log")
_MOST_FILES = 20
_NAME = re.compile(r"  (\w+):")
_KIND = re.compile(r"    Type: (AWS::\S+)")
_CONDITION = re.compile(r"    Condition: (\w+)")


@dataclass(frozen=True, slots=True)
class Change:
    """One part that would be created, changed or deleted."""

    section: str
    name: str
    lines: tuple[str, ...]
    """Each begins with ``+``, ``-``, ``@`` or a blank."""


def diff(it: Deployment, stages: Mapping[str, StageConfig]) -> list[Change]:
    """Everything that a deployment would change now; empty where it would change nothing."""
    release = planned(it, stages)
    table = [data(it.root, it.stage, it.account.where), *filter(None, [file_bucket(it.stage)])]
    known = chalice_state.read(it.account.ssm, it.stage)
    wanted = _wanted(release, table, it)
    found = _found(release, table, it.account, it.stage, known)
    code, drifted = _code(release, it)
    changes = [
        Change(section, name, tuple(compared(section, found.get((section, name)), wanted.get((section, name)))))
        for section, name in sorted({*wanted, *found}, key=lambda part: (SECTIONS.index(part[0]), part[1]))
        if found.get((section, name)) != wanted.get((section, name))
    ]
    lacking = drift.detect_drift(it.account, it.stage).lines()
    if lacking:
        drift_lines = tuple(f"- {line}" for line in lacking)
        changes.append(Change("stack", f"{release.wiring.name}: drift", drift_lines))
    return [*code, *drifted, *changes]


def planned(it: Deployment, stages: Mapping[str, StageConfig]) -> Release:
    """The release that a deployment would make, rendered and packed in a copy of the checkout."""
    copy = it.root / ".herald" / "diff" / it.stage.name
    copy.mkdir(parents=True, exist_ok=True)
    mirror(it.root, copy)
    render.write(copy, render.configured(stages))
    render.write(copy, render.policies(it.stage, it.account.where))
    packages, cache = copy / ".chalice" / "deployments", it.root / ".chalice" / "deployments"
    cache.mkdir(parents=True, exist_ok=True)
    if not packages.exists():
        packages.symlink_to(cache.resolve(), target_is_directory=True)
    package = chalice_runner.package(copy, it.environ)
    return plan(copy, it.config, it.account.where).packed(packages / package)


# The wanted side: what the release would deploy.


def _wanted(release: Release, table: list[StackPlan], it: Deployment) -> Table:
    outputs = cloudformation.outputs(it.account.cloudformation, cloudformation.data(it.stage))
    found: Table = {
        ("stack", each.name): _stack(replace(each, parameters=current_parameters(it, each)), outputs)
        for each in _stacks(release, table)
    }
    for each in release.functions:
        found["function", each.function] = _function(each, release)
        found["policy", each.role] = policy(each.policy)
        found["log", each.log_group] = [f"kept for {release.log_retention_days} days"]
    found["api", "throttle"] = [f"{release.rate} a second, burst {release.burst}"]
    found["api", "answers"] = _answers(release.answers)
    return found


def _stacks(release: Release, table: list[StackPlan], domain_of: Stage | None = None) -> list[StackPlan]:
    """The stacks of a release; with ``domain_of`` also that of the stage's domain, which may have to be deleted."""
    domain = release.domain or (StackPlan(cloudformation.domain(domain_of), "", {}) if domain_of else None)
    return [*table, release.foundation, release.wiring, *([domain] if domain else [])]


def _stack(each: StackPlan, outputs: Mapping[str, str]) -> Lines:
    of_data = {name: outputs.get(name, "of the data stack") for name in each.of_data}
    return _template(each.template, {**each.parameters, **of_data})


def _template(template: str, parameters: Mapping[str, str]) -> Lines:
    return [*(f"parameter {name} = {value}" for name, value in sorted(parameters.items())), *template.splitlines()]


def _function(each: FunctionPlan, release: Release) -> Lines:
    python, traced = release.python, release.xray
    return _settings(python, ARCHITECTURE, each.memory, each.timeout, each.reserved, traced, each.environment)


def _settings(
    python: str,
    architecture: str,
    memory: int,
    timeout: int,
    reserved: int | None,
    traced: bool,
    environment: Mapping[str, str],
) -> Lines:
    return [
        f"{python}, {architecture}",
        f"{memory} MB",
        f"{timeout} s at most",
        *([f"reserved concurrency {reserved}"] if reserved is not None else []),
        *(["traced by X-Ray"] if traced else []),
        *(f"{name}={value}" for name, value in sorted(environment.items())),
    ]


def policy(document: Mapping[str, Any]) -> Lines:
    """One line for each action on each resource: what a person has to agree with."""
    lines = []
    for statement in document["Statement"]:
        only = f" only if {json.dumps(statement['Condition'], sort_keys=True)}" if statement.get("Condition") else ""
        for action in _listed(statement["Action"]):
            for resource in _listed(statement["Resource"]):
                lines.append(f"{statement['Effect']} {action} on {resource}{only}  ({statement.get('Sid', '')})")
    return sorted(lines)


def _listed(found: str | Sequence[str]) -> Sequence[str]:
    return [found] if isinstance(found, str) else found


def _answers(found: Mapping[str, Mapping[str, Any]]) -> Lines:
    return [f"{name} {json.dumps(answer, sort_keys=True)}" for name, answer in sorted(found.items())]


# The deployed side: what is in the account.


def _found(
    release: Release, table: list[StackPlan], account: Account, stage: Stage, known: dict[str, Any] | None
) -> Table:
    found: Table = {}
    for each in _stacks(release, table, stage):
        lines = _standing_stack(account, each.name)
        if lines is not None:
            found["stack", each.name] = lines
    recorded = [each for each in (known or {}).get("resources", []) if each["resource_type"] == "lambda_function"]
    names = {*release.schedules, *(each["name"] for each in recorded)}
    for name in sorted(names):
        found |= _standing_function(account, stage, name)
    prefix = stage.log_group("api_handler")
    pages = account.logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
    wanted = {each.log_group for each in release.functions}
    for group in (each for page in pages for each in page["logGroups"] if each["logGroupName"] in wanted):
        days = group.get("retentionInDays")
        found["log", group["logGroupName"]] = [f"kept for {days} days" if days else "kept for ever"]
    api = chalice_state.rest_api_id(known)
    return found | (_standing_api(account, api) if api else {})


def _standing_stack(account: Account, name: str) -> Lines | None:
    status = cloudformation.status(account.cloudformation, name)
    if status is None or status == "REVIEW_IN_PROGRESS":
        return None
    template = account.cloudformation.get_template(StackName=name)["TemplateBody"]
    text = template if isinstance(template, str) else json.dumps(template, indent=1)
    return _template(text, cloudformation.parameters(account.cloudformation, name))


def _standing_function(account: Account, stage: Stage, name: str) -> Table:
    found: Table = {}
    with ignoring_aws_error("ResourceNotFoundException"):
        answer = account.functions.get_function(FunctionName=stage.function(name))
        settings = answer["Configuration"]
        found["function", stage.function(name)] = _settings(
            settings.get("Runtime", ""),
            settings.get("Architectures", ["x86_64"])[0],
            settings["MemorySize"],
            settings["Timeout"],
            answer.get("Concurrency", {}).get("ReservedConcurrentExecutions"),
            settings.get("TracingConfig", {}).get("Mode") == "Active",
            settings.get("Environment", {}).get("Variables", {}),
        )
    with ignoring_aws_error("NoSuchEntity"):
        role = stage.role(name)
        document = account.client("iam").get_role_policy(RoleName=role, PolicyName=role)["PolicyDocument"]
        found["policy", role] = policy(document)
    return found


def _standing_api(account: Account, api: str) -> Table:
    found: Table = {}
    with ignoring_aws_error("NotFoundException"):
        settings = account.apis.get_stage(restApiId=api, stageName=API_STAGE).get("methodSettings", {}).get("*/*", {})
        rate, burst = settings.get("throttlingRateLimit"), settings.get("throttlingBurstLimit")
        if rate is not None:
            found["api", "throttle"] = [f"{rate:g} a second, burst {burst}"]
        answers: dict[str, dict[str, Any]] = {
            each["responseType"]: {
                name: each[name] for name in ("statusCode", "responseParameters", "responseTemplates") if each.get(name)
            }
            for each in account.apis.get_gateway_responses(restApiId=api, limit=500)["items"]
            if not each.get("defaultResponse")
        }
        if answers:
            found["api", "answers"] = _answers(answers)
    return found


# The differences


def compared(section: str, before: Lines | None, after: Lines | None) -> Iterator[str]:
    """The lines that differ, with + or - before each; in a template with the lines around them."""
    if section == "stack" and (before is None or after is None):
        for line in _resources(before or after or []):
            yield f"{'+' if before is None else '-'} {line}"
        return
    context = 2 if section == "stack" else 0
    for line in list(difflib.unified_diff(before or [], after or [], lineterm="", n=context))[2:]:
        if line.startswith("@@"):
            if section == "stack":
                yield line
        else:
            yield f"{line[0]} {line[1:]}"


def _resources(lines: Lines) -> Iterator[str]:
    """The resources of a whole template, one line each, in place of its long text."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in lines:
        if match := _NAME.fullmatch(line):
            name = match[1]
        elif match := _KIND.fullmatch(line):
            found[name] = [name, match[1]]
        elif name in found and (match := _CONDITION.fullmatch(line)):
            found[name].append(f"(if {match[1]})")
    return (" ".join(words) for words in found.values())


def _code(release: Release, it: Deployment) -> tuple[list[Change], list[Change]]:
    """The difference of the code from the last deployment, and the functions whose code is not that deployment's."""
    kept = Releases(it.stage, it.account)
    standing = kept.current()
    if standing.release is None:
        return [Change("code", "all of it", ("+ no deployment of this stage has recorded its code",))], []
    try:
        before = kept.get(standing.release).code
    except UnreadableRelease as error:
        return [Change("code", "all of it", (f"+ {error}",))], []
    lines = tuple(files(before, release.code))
    changes = [Change("code", f"since {standing.release}", lines)] if lines else []
    if not standing.whole:
        changes.append(Change("code", "the last deployment", ("+ failed half way, and would be completed",)))
        return changes, []
    drifted = []
    for each in release.functions:
        try:
            found = it.account.functions.get_function(FunctionName=each.function)["Configuration"]["CodeSha256"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            continue
        if found != before.sha256:
            drifted.append(Change("code", each.function, ("- has other code than the last deployment gave it",)))
    return changes, drifted


def files(before: Code, after: Code) -> Iterator[str]:
    """A line for each file that differs; a line for each folder where these are many."""
    lines = [
        f"{_sign(before.files.get(name), after.files.get(name))} {name}"
        for name in sorted({*before.files, *after.files})
        if before.files.get(name) != after.files.get(name)
    ]
    if len(lines) <= _MOST_FILES:
        yield from lines
        return
    folders: dict[str, list[str]] = {}
    for line in lines:
        folders.setdefault(line.partition("/")[0].lstrip("+- "), []).append(line)
    for folder, found in folders.items():
        yield found[0] if len(found) == 1 else f"+ {folder}: {len(found)} files differ"


def _sign(before: str | None, after: str | None) -> str:
    return "+" if before is None else "-" if after is None else "+-"


# The output.


def as_text(changes: Sequence[Change]) -> Iterator[str]:
    for change in changes:
        yield f"{change.section} {change.name}"
        yield from (f"  {line}" for line in change.lines)


def as_markdown(changes: Sequence[Change], heading: str, most: int = 60) -> Iterator[str]:
    """The first lines of each change, for a comment on a pull request, which holds up to 65,536 characters."""
    yield f"### {heading}\n"
    if not changes:
        yield "Nothing would change."
    for section in dict.fromkeys(change.section for change in changes):
        parts = [change for change in changes if change.section == section]
        yield f"<details><summary><b>{section}</b>: {', '.join(change.name for change in parts)}</summary>\n"
        for change in parts:
            left_out = len(change.lines) - most
            more = (f"  … and {left_out} more lines",) if left_out > 0 else ()
            yield "\n".join(("```diff", f"@@ {change.name} @@", *change.lines[:most], *more, "```\n"))
        yield "</details>\n"


def as_json(changes: Sequence[Change]) -> list[dict[str, Any]]:
    return [{"section": each.section, "name": each.name, "lines": list(each.lines)} for each in changes]
