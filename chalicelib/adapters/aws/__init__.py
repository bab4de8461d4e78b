"""Clients of AWS services, with time limits, a limit on attempts, and one tree of errors.

Inside Lambda the client is Herald's own, :mod:`~chalicelib.adapters.aws.direct`: it signs and sends the few calls that
Herald makes and loads nothing of botocore, whose start is most of a cold start. Everywhere else, and for whatever the
environment asks that ours does not know, it is botocore's, :mod:`~chalicelib.adapters.aws.sdk`. Which one it is makes
no difference to a caller: the methods, their keyword arguments, what they return and what they raise are the same.
docs/decisions/0026-own-aws-client.md has the reasons, and how one is tested against the other.
"""

from __future__ import annotations

import os
from typing import Any

from chalicelib.adapters.aws.errors import AwsError as AwsError
from chalicelib.adapters.aws.errors import NotSentError as NotSentError
from chalicelib.adapters.aws.errors import ServiceError as ServiceError
from chalicelib.adapters.aws.errors import UnansweredError as UnansweredError


def client(service: str, *, connect: float = 2, read: float = 5, attempts: int = 3) -> Any:
    """A client of ``sns``, ``ssm``, ``dynamodb``, ``lambda``, ``sesv2`` or any other service.

    It has time limits (seconds) and a limit on attempts, and repeats only what may be repeated. Every failure of its
    calls is an :class:`AwsError`. The region comes from the environment or the shared configuration, as with any AWS
    SDK.
    """
    from chalicelib.adapters.aws import direct

    found = direct.client(service, os.environ, connect, read, attempts)
    if found is not None:
        return found
    from chalicelib.adapters.aws import sdk

    return sdk.client(service, connect, read, attempts)


def arn_beside(function_arn: str, service: str, resource: str) -> str:
    """The ARN of a resource in the partition, region and account of the running function.

    ``chalice local`` runs without a function's ARN; then the credentials tell (sts:GetCallerIdentity needs no grant).
    """
    if function_arn:
        partition, _, region, account = function_arn.split(":")[1:5]
    else:
        sts = client("sts", attempts=1)
        identity = sts.get_caller_identity()
        partition, account = identity["Arn"].split(":")[1], identity["Account"]
        region = sts.meta.region_name
    return f"arn:{partition}:{service}:{region}:{account}:{resource}"
