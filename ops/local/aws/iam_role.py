"""Call services with an IAM role and evaluate its permissions, for the extensions that act as an AWS service does.

An AWS service uses a role that the customer passes to it: Lambda sends an invocation record with the function's
execution role, and API Gateway calls a service with its integration's role. These calls go to this MiniStack over HTTP,
signed with the role's session, so IAM authorizes them like all others.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_terms-and-concepts.html
https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
"""

from __future__ import annotations

import functools
import hmac
import json
import os
import secrets
import threading
from typing import Any, NamedTuple

from ops.local.aws.ministack_modules import iam, iam_evaluator, responses, sts

EXTENDS = (
    "ministack.core.iam_evaluator:EvalContext",
    "ministack.core.iam_evaluator:PrincipalInfo",
    "ministack.core.iam_evaluator:evaluate",
    "ministack.core.iam_evaluator:evaluate_resource_policy",
    "ministack.core.iam_evaluator:resolve_principal",
    "ministack.core.responses:get_account_id",
    "ministack.core.responses:get_region",
    "ministack.services.iam:_roles",
    "ministack.services.sts:register_session",
)

USER_AGENT = "AWS Internal"
"""The user agent that CloudTrail records for calls made by AWS services:
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html"""

_KEY = secrets.token_bytes(32)
_client_lock = threading.Lock()


class Credentials(NamedTuple):
    """The access key, secret key and token of a session."""

    access_key: str
    secret_key: str
    token: str


def credentials_from_environment(environment: dict[str, str]) -> Credentials:
    """Return the credentials from environment variables (``AWS_ACCESS_KEY_ID`` …)."""
    return Credentials(
        environment["AWS_ACCESS_KEY_ID"],
        environment["AWS_SECRET_ACCESS_KEY"],
        environment["AWS_SESSION_TOKEN"],
    )


def assume(role_arn: str, session_name: str) -> Credentials:
    """Return credentials of a session of the role, registered with MiniStack's STS.

    Doesn't evaluate the role's trust policy: call ``trusts`` for that.
    """
    account, name = role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]
    # The same keys at each call, which nobody can guess.
    digest = hmac.digest(_KEY, f"{role_arn}:{session_name}".encode(), "sha512").hex()
    session = Credentials(f"ASIA{digest[:16].upper()}", digest[16:56], digest[56:])
    sts.register_session(
        session.access_key,
        {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{name}/{session_name}",
            "UserId": f"{name}:{session_name}",
            "SecretAccessKey": session.secret_key,
            "SessionToken": session.token,
        },
    )
    return session


def trusts(role_arn: str, service: str, source_arn: str = "") -> bool:
    """Return whether the role exists and its trust policy allows the service principal to assume it for the source."""
    account, name = role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]
    role = iam._roles.get_scoped(account, None, name)
    document = (role or {}).get("AssumeRolePolicyDocument") or {}
    if isinstance(document, str):
        document = json.loads(document)
    # A trust policy has no Resource, but MiniStack's evaluator requires one.
    statements = [{**statement, "Resource": "*"} for statement in document.get("Statement", [])]
    return policy_allows_service({"Statement": statements}, service, "sts:AssumeRole", "*", source_arn, account)


def policy_allows_service(
    policy: dict[str, Any], service: str, action: str, resource: str, source_arn: str, source_account: str
) -> bool:
    """Return whether a resource-based policy allows a service principal the action for ``source_arn``.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    context = iam_evaluator.EvalContext(
        # The principal is a service: only statements for it or for Principal "*" may match, none for accounts or users.
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action=action,
        resource_arn=resource,
        region=responses.get_region(),
        service_context={"aws:sourcearn": source_arn, "aws:sourceaccount": source_account},
    )
    return bool(iam_evaluator.evaluate_resource_policy(policy, context, service=service).decision == "Allow")


def may(credentials: Credentials, action: str, resource: str) -> bool:
    """Return whether the identity policies of the credentials' role allow the action on the resource (an ARN)."""
    principal = iam_evaluator.resolve_principal(credentials.access_key, responses.get_account_id())
    if not isinstance(principal, iam_evaluator.PrincipalInfo):
        return False  # the principal no longer exists
    policies = principal.policies
    if policies is None:
        return True  # the account's root user
    context = iam_evaluator.EvalContext(
        principal_arn=principal.arn,
        principal_type=principal.type,
        principal_account=principal.account,
        action=action,
        resource_arn=resource,
        region=responses.get_region(),
        principal_keys=principal.keys,
    )
    return bool(iam_evaluator.evaluate(context, policies, *principal.limits).decision == "Allow")


@functools.cache
def _session() -> Any:
    """The session of all clients, as each session reads botocore's descriptions of AWS for itself."""
    import boto3

    return boto3.session.Session()


@functools.lru_cache(maxsize=128)
def _client(service: str, region: str, credentials: Credentials) -> Any:
    # botocore and boto3 are imported at the first call, because the import takes as long as the rest of the start.
    from botocore.config import Config

    with _client_lock:
        return _session().client(
            service,
            region_name=region,
            endpoint_url=os.environ["AWS_ENDPOINT_URL"],
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
            aws_session_token=credentials.token or None,
            config=Config(retries={"total_max_attempts": 1}, user_agent=USER_AGENT),
        )


def client(service: str, credentials: Credentials) -> Any:
    """Return a boto3 client of this MiniStack with the credentials, in the region of the current request."""
    return _client(service, responses.get_region(), credentials)


def root() -> Credentials:
    """Return the credentials of the account's root user, for deliveries that need no role."""
    return Credentials(responses.get_account_id(), os.environ["AWS_SECRET_ACCESS_KEY"], "")
