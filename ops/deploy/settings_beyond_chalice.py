"""Set what belongs to Chalice's resources and Chalice can't set; a redeploy by Chalice may have dropped it.

Dead letters of the subscription, throttling and gateway responses of the API, log retention.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, cast

from ops.aws import cloudformation
from ops.aws.eventual_consistency import until_found
from ops.aws.subscriptions import subscriptions
from ops.deploy import api_domain, chalice_state, drift
from ops.errors import OpsError, ignoring_aws_error
from ops.generate.render import API_STAGE

if TYPE_CHECKING:
    from types_boto3_apigateway.literals import GatewayResponseTypeType

    from ops.deploy.deployment import Deployment
    from ops.deploy.release import Release


def apply(deployment: Deployment, release: Release) -> str:
    """Set every attribute; returns what was set. Raises :class:`OpsError` where Chalice made no API or subscription."""
    account, stage = deployment.account, deployment.stage
    # First what visitors notice: the API that Chalice has just deployed lacks it.
    api = chalice_state.rest_api_id(chalice_state.read(account.ssm, stage))
    if api is None:
        raise OpsError("chalice deploy recorded no REST API; run the same command again")
    account.apis.update_stage(
        restApiId=api,
        stageName=API_STAGE,
        patchOperations=[
            {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": str(release.rate)},
            {"op": "replace", "path": "/*/*/throttling/burstLimit", "value": str(release.burst)},
            {"op": "replace", "path": "/tracingEnabled", "value": str(release.xray).lower()},
        ],
    )
    for name, answer in release.answers.items():
        account.apis.put_gateway_response(restApiId=api, responseType=cast("GatewayResponseTypeType", name), **answer)
    only_at = None if release.default_address else release.domain_name
    left = api_domain.set_default_address(account, stage, api, only_at)
    account.apis.create_deployment(restApiId=api, stageName=API_STAGE)
    topic = cloudformation.outputs(account.cloudformation, cloudformation.foundation(stage))["TopicArn"]
    dead_letters = cloudformation.outputs(account.cloudformation, cloudformation.data(stage))["TopicDeadLettersArn"]
    for function in release.functions:
        if function.subscribed:
            endpoint = account.where.arn("lambda", f"function:{function.function}")
            subscription = until_found(lambda: subscriptions(account.sns, topic).get(endpoint))  # noqa: B023
            if subscription is None:
                raise OpsError(f"{endpoint} is not subscribed to {topic}; run the same command again")
            account.sns.set_subscription_attributes(
                SubscriptionArn=subscription,
                AttributeName="RedrivePolicy",
                AttributeValue=json.dumps({"deadLetterTargetArn": dead_letters}),
            )
            _let_topic_invoke(deployment, topic, function.function)
    done = "dead letters of the subscription, throttling, the gateway's own answers"
    return f"{done}; {left}" if left else done


def keep_logs(deployment: Deployment, release: Release) -> None:
    """Create each function's log group, unless Lambda has, and set how long it is kept.

    Before the wiring, whose saved queries name log groups.
    """
    for function in release.functions:
        _keep_logs(deployment, function.log_group, release.log_retention_days)


def _let_topic_invoke(deployment: Deployment, topic: str, function: str) -> None:
    """Let the topic invoke its subscriber.

    Chalice adds this permission when it subscribes a function. It does not when it creates a function again whose
    subscription still exists.
    """
    if not drift.permits(deployment.account, function, topic):
        deployment.account.functions.add_permission(
            FunctionName=function,
            StatementId=str(uuid.uuid4()),
            Action="lambda:InvokeFunction",
            Principal="sns.amazonaws.com",
            SourceArn=topic,
        )


def _keep_logs(deployment: Deployment, group: str, days: int) -> None:
    logs = deployment.account.logs
    with ignoring_aws_error("ResourceAlreadyExistsException"):
        logs.create_log_group(logGroupName=group, tags=deployment.tags)
    logs.put_retention_policy(logGroupName=group, retentionInDays=days)
