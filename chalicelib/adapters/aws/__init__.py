"""Clients of AWS services, with time limits, a limit on attempts, and one tree of errors.

``HERALD_AWS_CLIENT`` chooses. ``own`` is Herald's own, :mod:`~chalicelib.adapters.aws.own_client`: it signs and sends
the few calls that Herald makes and loads nothing of botocore, whose start is most of a cold start. ``botocore`` is
botocore's, :mod:`~chalicelib.adapters.aws.botocore_client`. Where the environment asks for what ``own`` can't do,
botocore answers, with a warning and a metric. Which one it is makes no difference to a caller: the methods, their
keyword arguments, what they return and what they raise are the same. docs/decisions/0026-own-aws-client.md has the
reasons, and how one is tested against the other; docs/decisions/0035-the-client-is-chosen.md has who chooses.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from chalicelib.adapters.aws.errors import AwsError as AwsError
from chalicelib.adapters.aws.errors import NotSentError as NotSentError
from chalicelib.adapters.aws.errors import ServiceError as ServiceError
from chalicelib.adapters.aws.errors import UnansweredError as UnansweredError


def client(service: str, *, connect: float = 2, read: float = 5, attempts: int = 3) -> Any:
    """A client of ``sns``, ``ssm``, ``dynamodb``, ``lambda`` or ``sesv2``.

    It has time limits (seconds) and a limit on attempts, and repeats only what may be repeated. Every failure of its
    calls is an :class:`AwsError`. The region comes from the environment or the shared configuration, as with any AWS
    SDK.
    """
    from chalicelib.adapters.aws import environment

    if environment.wants_own_client(os.environ):
        from chalicelib.adapters.aws import own_client

        try:
            return own_client.client(service, os.environ, connect, read, attempts)
        except environment.UnsupportedEnvironment as error:
            _report_fallback(str(error), error.variables)
    from chalicelib.adapters.aws import botocore_client

    return botocore_client.client(service, connect, read, attempts)


@cache
def _report_fallback(why: str, variables: tuple[str, ...]) -> None:
    """Warn and count, once in a process, that botocore stands in for our client, which makes a start longer."""
    from chalicelib.current_stage import current_stage
    from chalicelib.logs import logger
    from chalicelib.metrics import Metric, emit

    logger.warning(
        f"botocore calls AWS in the place of Herald's own client: {why}",
        extra={"code": "AWS_CLIENT_FALLBACK", "variables": variables},
    )
    emit(current_stage(os.environ), Metric.AWS_CLIENT_FALLBACK, {"variables": ", ".join(variables)})


def sibling_arn(function_arn: str, service: str, resource: str) -> str:
    """The ARN of a resource in the partition, region and account of the running function.

    ``chalice local`` runs without a function's ARN; then the credentials tell (sts:GetCallerIdentity needs no grant),
    by botocore, as no Lambda function asks that.
    """
    if function_arn:
        partition, _, region, account = function_arn.split(":")[1:5]
    else:
        from chalicelib.adapters.aws import botocore_client

        sts = botocore_client.client("sts", connect=2, read=5, attempts=1)
        identity = sts.get_caller_identity()
        partition, account = identity["Arn"].split(":")[1], identity["Account"]
        region = sts.meta.region_name
    return f"arn:{partition}:{service}:{region}:{account}:{resource}"
