"""``./herald check``: find generated files that are stale, functions that are undeclared, and faulty policies."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from chalicelib.functions import functions_of
from ops import packages
from ops.config.loader import LOCAL, StageConfig
from ops.errors import OpsError
from ops.generate import render
from ops.generate.registered_functions import otherwise, undeclared
from ops.naming import AwsLocation
from ops.templates.function_policies import ANY_CONFIGURATION_SET, WILDCARDS
from ops.templates.function_policies import policy as function_policy
from ops.templates.rules_subscribers_grants import policy, with_reason

_RENDER = "run: ./herald render"

# One account of each partition, so that policies are checked as they are deployed there.
_SAMPLES = (
    AwsLocation("aws", "eu-central-1", "123456789012"),
    AwsLocation("aws-us-gov", "us-gov-west-1", "123456789012"),
    AwsLocation("aws-cn", "cn-north-1", "123456789012"),
)

# How AWS itself ends an ARN behind a name: a log group's by ":*", and a secret's by six random characters.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
# https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_iam-policies.html
_ENDED_BY_AWS = re.compile(rf"(:log-group:[^*?:]+:\*|:secret:[^*?]+-\?{{6}}|:{re.escape(ANY_CONFIGURATION_SET)})$")
_PLACEHOLDER = re.compile(r"\$\{[^}]+\}")

_REGISTERED = """
import json, app
from ops.generate.registered_functions import registered
print(json.dumps(registered(app.app)))
"""
_CHECKOUT = Path(__file__).resolve().parents[2]


def mistakes(root: Path, stages: Mapping[str, StageConfig], pages: Mapping[Path, str]) -> Iterator[str]:
    """A sentence for each mistake, with what to do. ``pages`` are generated files that the command line makes."""
    yield from packages.mistakes(root)
    files = {**render.generated(stages), **pages}
    for path in render.stale(root, files):
        yield f"{path} is {'stale' if (root / path).exists() else 'missing'}; {_RENDER}"
    for path in render.left_over(root, files):
        yield f"{path} is no longer generated; delete it"
    for name, config in stages.items():
        specs = functions_of(config.stage)
        found = registered_by_app(root, name)
        yield from undeclared(found, {spec.name for spec in specs})
        yield from otherwise(found, {spec.name: spec.trigger.kind for spec in specs})
        for where in (render.local_where(config),) if name == LOCAL else _SAMPLES:
            for spec in specs:
                reasons = [grant.sid for grant in spec.all_grants if grant.wildcard]
                for fault in policy_faults(json.dumps(function_policy(spec, config.stage, where)), reasons):
                    yield f"{render.policy_file(name, spec.name)}: {fault}"
            for grant, table in config.extensions.grants.items():
                for fault in policy_faults(json.dumps(policy(table, config.stage, where)), with_reason(table)):
                    yield f"grant.{grant}: {fault}"


def registered_by_app(root: Path, stage: str) -> dict[str, str]:
    """The functions that ``app.py`` registers for a stage, with decorators, imported in a process of its own."""
    ran = subprocess.run(
        [sys.executable, "-c", _REGISTERED],
        cwd=root,
        # As Chalice does: packages of vendor/ are found as in the zip.
        env={
            "HERALD_STAGE": stage,
            "PATH": "",
            "PYTHONPATH": os.pathsep.join(("vendor", str(_CHECKOUT))),
            "AWS_CHALICE_CLI_MODE": "true",
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    if ran.returncode:
        raise OpsError(f"app.py can't be imported for stage {stage}:\n{ran.stderr}")
    found: dict[str, str] = json.loads(ran.stdout)
    return found


@cache
def _parliament() -> Any:
    """The library, which takes over a second to import, and warns while it is: it leaves two files open, stands on an
    old part of setuptools, and has patterns with unknown escapes."""
    with warnings.catch_warnings():
        for category in (ResourceWarning, DeprecationWarning, SyntaxWarning):
            warnings.simplefilter("ignore", category)
        import parliament
    return parliament


def policy_faults(text: str, reasons: Collection[str] = ()) -> list[str]:
    """What parliament reports about a policy, and each wildcard without a reason.

    ``reasons`` are the statements whose wildcards have one, by ``Sid``. A wildcard needs none below one named resource,
    such as ``bucket/*``.
    """
    document = json.loads(text)
    faults = [
        f"{finding.issue} {finding.detail} {finding.location}"
        for finding in _parliament().analyze_policy_string(_without_colons(document)).findings
    ]
    for statement in document["Statement"]:
        actions = statement["Action"]
        if statement["Sid"] in reasons:
            continue
        if any(re.search(r"[*?]", action) for action in actions):
            faults.append(f"{statement['Sid']}: an action with a wildcard; write why as the grant's `wildcard`")
        if set(actions) <= set(WILDCARDS):
            continue
        for arn in statement["Resource"]:
            if re.search(r"[*?]", arn) and not _ENDED_BY_AWS.search(arn) and not _below_a_named_one(arn, actions):
                faults.append(
                    f"{statement['Sid']}: {arn} is a resource with a wildcard. Write the whole ARN. If AWS allows no"
                    f" narrower one for {', '.join(actions)}, write why as the grant's `wildcard`"
                )
    return faults


def _below_a_named_one(arn: str, actions: Collection[str]) -> bool:
    """Whether only the last name of an ARN has a wildcard, below another name: an object of a bucket, for example."""
    return any(
        len(_PLACEHOLDER.findall(known.split(":", 5)[5])) > 1 and _pattern(known, r"[^*?]+").fullmatch(arn)
        for known in _formats(actions)
    )


def _without_colons(document: Mapping[str, Any]) -> str:
    """The policy for parliament, which accepts no colon in a name; a DynamoDB stream is named by its time."""

    def renamed(arn: str, actions: Collection[str]) -> str:
        *head, name = arn.split(":", 5)
        known = [each.split(":", 5)[5] for each in _formats(actions) if _pattern(each, ".+").fullmatch(arn)]
        return ":".join([*head, name.replace(":", "-")]) if any(":" not in each for each in known) else arn

    statements = [
        {**each, "Resource": [renamed(arn, each["Action"]) for arn in each["Resource"]]}
        for each in document["Statement"]
    ]
    return json.dumps({**document, "Statement": statements})


def _pattern(known: str, name: str) -> re.Pattern[str]:
    """A pattern for ARNs of one type. ``name`` matches each name but the last, which may be any text."""
    *first, before_last, end = _PLACEHOLDER.split(known)
    return re.compile(name.join(map(re.escape, [*first, before_last])) + ".+" + re.escape(end))


def _formats(actions: Collection[str]) -> Iterator[str]:
    """The formats of ARNs that these actions apply to, with ``${…}`` for each name, from the list in parliament.

    https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
    """
    for service in _parliament().iam_definition:
        types = {
            each["resource_type"].rstrip("*")
            for privilege in service["privileges"]
            if f"{service['prefix']}:{privilege['privilege']}" in actions
            for each in privilege["resource_types"]
        }
        yield from (each["arn"] for each in service["resources"] if each["resource"] in types)
