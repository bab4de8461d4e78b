"""Compare IAM's decisions during a stage's life with the stage's policies."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from chalicelib.adapters.aws.own_client import USER_AGENT as OWN_CLIENT

AWS_ITSELF = "AWS Internal"
"""The start of the user agent of calls that the local AWS makes under a function's role (ops/local/aws/iam_role.py)."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request that IAM decided about: a line of the local AWS's access log."""

    role: str
    action: str
    resource: str
    allowed: bool


def calls(lines: Iterable[str]) -> set[Call]:
    """Return the calls made under a role. Calls by people and tests, made as the account's root, are left out."""
    return {
        Call(role, entry["action"], entry["resource"], entry["decision"] == "Allow")
        for role, entry in _under_roles(lines)
    }


def _under_roles(lines: Iterable[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the role and the line of each call that was made under one."""
    for line in lines:
        entry = json.loads(line)
        kind, _, rest = entry["principal"].rpartition(":")[2].partition("/")
        if kind == "assumed-role":
            yield rest.partition("/")[0], entry


def other_clients(roles: Iterable[str], lines: Iterable[str]) -> list[str]:
    """Return calls under these roles by another client than Herald's own or AWS itself.

    Such a client is a substitute for the one used on AWS. Lambda's own logging and tracing for a function are left out,
    as they have no client.
    """
    found = {
        f"{role}: {entry['action']} by {entry['user_agent'] or 'an unnamed client'}"
        for role, entry in _under_roles(lines)
        if role in roles
        and not entry["action"].startswith(("logs:", "xray:"))
        and entry["user_agent"] != OWN_CLIENT
        and not entry["user_agent"].startswith(AWS_ITSELF)
    }
    return sorted(found)


def differences(policies: Mapping[str, Mapping[str, Any]], made: Iterable[Call]) -> list[str]:
    """Return unused permissions and refused or unpermitted calls, by role; nothing if there are none.

    Each action on each resource of a statement counts separately.
    """
    made = set(made)
    unused = [
        f"{role}: {action} on {resource} is permitted and was not used"
        for role, action, resource in sorted(_permitted(policies))
        if not any((call.role, call.action) == (role, action) and _covers(resource, call.resource) for call in made)
    ]
    refused = [
        f"{call.role}: {call.action} on {call.resource} was tried and refused" for call in made if not call.allowed
    ]
    return unused + sorted(refused) + unpermitted(policies, made)


def unpermitted(policies: Mapping[str, Mapping[str, Any]], made: Iterable[Call]) -> list[str]:
    """Return the calls that their role's policies don't permit, whatever IAM decided at the time."""
    permitted = _permitted(policies)
    return sorted(
        f"{call.role}: {call.action} on {call.resource} is not permitted"
        for call in set(made)
        if not any(
            (role, action) == (call.role, call.action) and _covers(resource, call.resource)
            for role, action, resource in permitted
        )
    )


def _permitted(policies: Mapping[str, Mapping[str, Any]]) -> set[tuple[str, str, str]]:
    return {(role, *pair) for role, policy in policies.items() for pair in _pairs(policy)}


def _pairs(policy: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for statement in policy["Statement"]:
        actions, resources = (
            found if isinstance(found, list) else [found] for found in (statement["Action"], statement["Resource"])
        )
        yield from ((action, resource) for action in actions for resource in resources)


@cache
def _covers(resource: str, asked: str) -> bool:
    """Whether an ARN matches a resource pattern of a policy.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
    """
    pattern = "".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in resource)
    return re.fullmatch(pattern, asked) is not None
