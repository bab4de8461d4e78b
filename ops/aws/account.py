"""Connect to the AWS account that a command works on: that of the shell's credentials, or the local stack."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import OperationModel
from botocore.session import Session

from ops.aws import eventual_consistency
from ops.aws.error_messages import CLIENT_ERRORS, NO_REGION, UNREACHED, explain, region_mistake
from ops.config.loader import StageConfig
from ops.errors import OpsError
from ops.loopback import credentials
from ops.naming import AwsLocation
from ops.service_descriptions import sharing_descriptions

if TYPE_CHECKING:
    from types_boto3_apigateway import APIGatewayClient
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_lambda import LambdaClient
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_sns import SNSClient
    from types_boto3_ssm import SSMClient
    from types_boto3_sts import STSClient

_CONFIG = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 5})
_PATIENT = _CONFIG.merge(Config(retries={"mode": "standard", "total_max_attempts": eventual_consistency.ATTEMPTS}))


def environment(config: StageConfig, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment variables for commands that work on a stage.

    For the local stack they hold its own credentials, and no profile or token of the shell: neither may reach the
    other. Raises :class:`OpsError` where no local stack runs.
    """
    if config.endpoint is None:
        # boto3 and Chalice read AWS_DEFAULT_REGION alone, other tools AWS_REGION first: both get the same value.
        chosen = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
        return dict(environ) | ({"AWS_REGION": chosen, "AWS_DEFAULT_REGION": chosen} if chosen else {})
    foreign = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_ROLE_ARN")
    kept = {name: value for name, value in environ.items() if name not in foreign}
    region = config.region or ""
    return kept | {
        "AWS_ENDPOINT_URL": config.endpoint,
        **credentials.keys(config.endpoint),
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
    }


def _isolated_session() -> Session:
    nothing = {"profile": None, "config_file": os.devnull, "credentials_file": os.devnull}
    return Session(session_vars={name: (None, None, value, None) for name, value in nothing.items()})


def account_of(config: StageConfig, environ: Mapping[str, str] = os.environ) -> Account:
    """The account of a stage."""
    return Account(environment(config, environ), isolated=config.endpoint is not None)


class Account:
    """The clients and the identity of one account and region. A client is made when it is first used."""

    def __init__(self, environ: Mapping[str, str], *, isolated: bool = False) -> None:
        """``isolated`` uses ``environ`` alone, and no profile or configuration file of the person."""
        self.endpoint = environ.get("AWS_ENDPOINT_URL")
        self._session = boto3.Session(
            botocore_session=eventual_consistency.repeat_for_what_is_new(
                sharing_descriptions(_isolated_session() if isolated else Session())
            ),
            aws_access_key_id=environ.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=environ.get("AWS_SECRET_ACCESS_KEY"),
            aws_session_token=environ.get("AWS_SESSION_TOKEN"),
            region_name=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION"),
        )

    @cached_property
    def where(self) -> AwsLocation:
        """Partition, region and account; raises :class:`OpsError` with the reason where AWS can't be asked."""
        region = self._session.region_name
        if not region:
            raise OpsError(NO_REGION)
        try:
            identity = self.sts.get_caller_identity()
        except CLIENT_ERRORS as error:
            if self.endpoint and not isinstance(error, UNREACHED):
                code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
                reason = code or "it does not answer like AWS"
                raise OpsError(credentials.foreign(self.endpoint, reason)) from error
            misspelt = "" if self.endpoint else region_mistake(region)
            raise OpsError(misspelt or str(explain(error) or f"AWS in {region} refused: {error}")) from error
        return AwsLocation(identity["Arn"].split(":")[1], region, identity["Account"])

    def client(self, service: str) -> Any:
        """A client of any other service."""
        found = self._session.client(service, config=_CONFIG, endpoint_url=self.endpoint)  # type: ignore[call-overload]
        if service == "s3":
            found.meta.events.register("provide-client-params.s3", self._in_own_buckets)
        return found

    def _in_own_buckets(self, params: Mapping[str, Any], model: OperationModel, **_: Any) -> dict[str, Any] | None:
        """Add the bucket's expected owner to every call of S3, which refuses buckets of other accounts.
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html"""
        if model.input_shape is None or "ExpectedBucketOwner" not in model.input_shape.members:
            return None
        return {**params, "ExpectedBucketOwner": self.where.account}

    @cached_property
    def sts(self) -> STSClient:
        # Every command calls it first. A local stack answers at once or does not run.
        config = _CONFIG.merge(Config(retries={"total_max_attempts": 1 if self.endpoint else 2}))
        return self._session.client("sts", config=config, endpoint_url=self.endpoint)

    @cached_property
    def cloudformation(self) -> CloudFormationClient:
        return self._session.client("cloudformation", config=_PATIENT, endpoint_url=self.endpoint)

    @cached_property
    def ssm(self) -> SSMClient:
        return self._session.client("ssm", config=_CONFIG, endpoint_url=self.endpoint)

    @cached_property
    def sns(self) -> SNSClient:
        return self._session.client("sns", config=_CONFIG, endpoint_url=self.endpoint)

    @cached_property
    def functions(self) -> LambdaClient:
        return self._session.client("lambda", config=_CONFIG, endpoint_url=self.endpoint)

    @cached_property
    def apis(self) -> APIGatewayClient:
        return self._session.client("apigateway", config=_PATIENT, endpoint_url=self.endpoint)

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        return self._session.client("logs", config=_CONFIG, endpoint_url=self.endpoint)

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        return self._session.client("dynamodb", config=_CONFIG, endpoint_url=self.endpoint)
