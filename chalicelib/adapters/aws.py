"""Clients of AWS services, made from botocore alone: boto3's resources would only make a cold start longer."""

from __future__ import annotations

from functools import cache
from typing import Any

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
)
from botocore.session import Session, get_session

NEVER_ARRIVED = (EndpointConnectionError, ConnectTimeoutError, NoCredentialsError)
"""Errors of the client's side after which it is certain that the service has seen nothing."""


@cache
def _session() -> Session:
    return get_session()


def client(service: str, *, connect: float = 2, read: float = 5, attempts: int = 3) -> Any:
    """A client with time limits (seconds) and a limit on attempts, which repeats only what may be repeated.

    The region comes from the environment or the shared configuration, as with any AWS SDK.
    """
    return _session().create_client(
        service,
        config=Config(
            connect_timeout=connect,
            read_timeout=read,
            retries={"mode": "standard", "total_max_attempts": attempts},
        ),
    )


def reason(error: BotoCoreError | ClientError) -> str:
    """What went wrong, in a word that is fit for a log: an error code of AWS or the class of a client-side error.

    The error's own text may quote the request, and with it what a visitor wrote.
    """
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "ClientError"))
    return type(error).__name__


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
