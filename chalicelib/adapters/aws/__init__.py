"""Clients of AWS services, with time limits, a limit on attempts, and one tree of errors.

``HERALD_AWS_CLIENT`` chooses between two clients with the same methods, arguments, results and errors:

- ``own``, :mod:`~chalicelib.adapters.aws.own_client`, signs and sends the few calls that Herald makes. It doesn't load
  botocore, which would be most of a cold start: docs/decisions/0026-own-aws-client.md
- ``botocore``, :mod:`~chalicelib.adapters.aws.botocore_client`. It also stands in, with a warning and a metric, where
  the environment asks for what ``own`` can't do: docs/decisions/0026-own-aws-client.md
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
    """Make a client of ``sns``, ``ssm``, ``dynamodb``, ``lambda``, ``sesv2`` or ``s3``.

    ``connect`` and ``read`` are time limits in seconds, ``attempts`` the most attempts of one call; only errors that a
    retry can mend are retried. Its calls raise an :class:`AwsError`. The region comes from the environment or the
    shared configuration, as with any AWS SDK.
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
    """Warn and count, once in a process, that botocore stands in for Herald's own client."""
    from chalicelib.current_stage import current_stage
    from chalicelib.logs import logger
    from chalicelib.metrics import Metric, emit

    logger.warning(
        f"botocore calls AWS instead of Herald's own client, which makes starts slower: {why}",
        extra={"code": "AWS_CLIENT_FALLBACK", "variables": variables},
    )
    emit(current_stage(os.environ), Metric.AWS_CLIENT_FALLBACK, {"variables": ", ".join(variables)})


def sibling_arn(function_arn: str, service: str, resource: str) -> str:
    """Return the ARN of a resource in the partition, region and account of the running function."""
    partition, region, account = partition_region_account(function_arn)
    return f"arn:{partition}:{service}:{region}:{account}:{resource}"


def partition_region_account(function_arn: str) -> tuple[str, str, str]:
    """Return the partition, region and account of the running function.

    ``function_arn`` is empty under ``chalice local``; then sts:GetCallerIdentity, which needs no grant, names the
    account.
    """
    if function_arn:
        partition, _, region, account = function_arn.split(":")[1:5]
    else:
        from chalicelib.adapters.aws import botocore_client

        sts = botocore_client.client("sts", connect=2, read=5, attempts=1)
        identity = sts.get_caller_identity()
        partition, account = identity["Arn"].split(":")[1], identity["Account"]
        region = sts.meta.region_name
    return partition, region, account
