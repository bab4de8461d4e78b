"""Evaluate the policies of functions, and of queues and topics that are targets of rules; MiniStack ignores them.

SNS, API Gateway and EventBridge may invoke a function only if its policy allows their service principal, with the
topic, API method or rule as SourceArn (AddPermission). The same holds for EventBridge and the policy of a queue or
topic. If the policy doesn't allow the call, API Gateway answers 500 "Internal server error", SNS fails without a retry,
and EventBridge counts a failed invocation. IAM principals of the same account don't need the policy.

https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
https://docs.aws.amazon.com/lambda/latest/dg/permissions-function-services.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/getting-started-lambda-non-proxy-integration.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable
from typing import Any

from ops.local.aws import iam_role
from ops.local.aws.ministack_modules import (
    apigateway_v1,
    cloudwatch,
    eventbridge,
    extend,
    lambda_svc,
    responses,
    sns,
    sqs,
)

EXTENDS = (
    "ministack.core.responses:get_account_id",
    "ministack.core.responses:get_region",
    "ministack.services.apigateway_v1:_extract_lambda_ref_from_integration_uri",
    "ministack.services.apigateway_v1:_gw_error",
    "ministack.services.apigateway_v1:_invoke_lambda_custom_v1",
    "ministack.services.apigateway_v1:_invoke_lambda_proxy_v1",
    "ministack.services.cloudwatch:record_metric",
    "ministack.services.eventbridge:_dispatch_to_lambda",
    "ministack.services.eventbridge:_dispatch_to_sns",
    "ministack.services.eventbridge:_dispatch_to_sqs",
    "ministack.services.eventbridge:_invoke_target",
    "ministack.services.lambda_svc:_get_base_func_record_for_ref",
    "ministack.services.lambda_svc:_func_arn",
    "ministack.services.lambda_svc:_resolve_name_and_qualifier",
    "ministack.services.sns:_deliver_to_lambda",
    "ministack.services.sns:topic_policy_allows",
    "ministack.services.sqs:queue_policy_allows",
)

logger = logging.getLogger("herald.local.resource_policy")

on_sns_refused: list[Callable[[str, str, str], None]] = []
"""Called when a policy denies a delivery by SNS, with topic ARN, subscription ARN and notification (JSON)."""
on_event_refused: list[Callable[[str, dict[str, Any], str, str], None]] = []
"""Called when a policy denies a call by EventBridge, with rule ARN, target, event (JSON) and reason."""

_rule_and_target: contextvars.ContextVar[tuple[dict[str, Any], dict[str, Any]]] = contextvars.ContextVar(
    "herald_local_rule_and_target"
)


def install() -> None:
    """Evaluate the policy before each call by SNS, EventBridge and API Gateway."""
    extend(sns, "_deliver_to_lambda", _from_sns)
    extend(eventbridge, "_invoke_target", _remember_rule)
    extend(eventbridge, "_dispatch_to_lambda", _from_eventbridge_to_lambda)
    extend(eventbridge, "_dispatch_to_sqs", _from_eventbridge_to_sqs)
    extend(eventbridge, "_dispatch_to_sns", _from_eventbridge_to_sns)
    extend(apigateway_v1, "_invoke_lambda_proxy_v1", _from_api_gateway)
    extend(apigateway_v1, "_invoke_lambda_custom_v1", _from_api_gateway)


def function_lets_in(function_ref: str, service: str, source_arn: str) -> bool:
    """Return whether the function's policy allows the service principal to invoke it for ``source_arn``."""
    function, _, _ = lambda_svc._get_base_func_record_for_ref(function_ref)
    if function is None:
        return True  # the caller reports the missing function
    name, qualifier = lambda_svc._resolve_name_and_qualifier(function_ref)
    arn = lambda_svc._func_arn(name) + (f":{qualifier}" if qualifier else "")
    return iam_role.policy_allows_service(
        function["policy"], service, "lambda:InvokeFunction", arn, source_arn, responses.get_account_id()
    )


def _from_sns(
    deliver: Callable[..., None], endpoint: str, envelope: str, topic_arn: str, sub_arn: str, *args: Any
) -> None:
    """Deliver a notification to a function. If its policy denies that, call ``on_sns_refused``."""
    if function_lets_in(endpoint, "sns.amazonaws.com", topic_arn):
        deliver(endpoint, envelope, topic_arn, sub_arn, *args)
        return
    logger.warning("%s doesn't let sns.amazonaws.com invoke it for %s", endpoint, topic_arn)
    topic = topic_arn.rsplit(":", 1)[-1]
    cloudwatch.record_metric("AWS/SNS", "NumberOfNotificationsFailed", 1, "Count", {"TopicName": topic})
    for keep in on_sns_refused:
        keep(topic_arn, sub_arn, envelope)


def _remember_rule(
    invoke_target: Callable[..., None], target: dict[str, Any], event: Any, rule: dict[str, Any], *args: Any
) -> None:
    """Keep rule and target for the functions below, which MiniStack calls without them."""
    token = _rule_and_target.set((rule, target))
    try:
        invoke_target(target, event, rule, *args)
    finally:
        _rule_and_target.reset(token)


def _from_eventbridge_to_lambda(dispatch: Callable[..., None], arn: str, payload: str) -> None:
    dispatch_if(
        lambda source: function_lets_in(arn, "events.amazonaws.com", source),
        payload,
        lambda: dispatch(arn, payload),
    )


def _from_eventbridge_to_sqs(dispatch: Callable[..., None], spec: Any, payload: str, *args: Any) -> None:
    account = responses.get_account_id()
    dispatch_if(
        lambda source: sqs.queue_policy_allows(str(spec), "events.amazonaws.com", source, account),
        payload,
        lambda: dispatch(spec, payload, *args),
    )


def _from_eventbridge_to_sns(dispatch: Callable[..., None], arn: str, payload: str) -> None:
    # With an empty account, a topic's default policy, which allows the owning account, doesn't allow a service.
    dispatch_if(
        lambda source: sns.topic_policy_allows(arn, "events.amazonaws.com", source, ""),
        payload,
        lambda: dispatch(arn, payload),
    )


def current_target() -> dict[str, Any]:
    """Return the target that EventBridge is about to call."""
    return _rule_and_target.get()[1]


def dispatch_if(allowed: Callable[[str], bool], payload: str, dispatch: Callable[[], None]) -> None:
    """Call ``dispatch`` if ``allowed(rule ARN)``. Otherwise count a failed invocation and call ``on_event_refused``."""
    rule, target = _rule_and_target.get()
    if allowed(rule["Arn"]):
        dispatch()
        return
    reason = f"{target['Arn']} doesn't let events.amazonaws.com in for {rule['Arn']}"
    logger.warning("%s", reason)
    cloudwatch.record_metric("AWS/Events", "FailedInvocations", 1, "Count", {"RuleName": rule["Name"]})
    for keep in on_event_refused:
        context = contextvars.copy_context()
        # In a thread, because this one may be the server's event loop, and the callback calls the server.
        threading.Thread(target=context.run, args=(keep, rule["Arn"], target, payload, reason), daemon=True).start()


async def _from_api_gateway(
    invoke: Callable[..., Any],
    integration: dict[str, Any],
    api_id: str,
    stage_name: str,
    stage: Any,
    resource: dict[str, Any],
    request_path: str,
    method: str,
    *args: Any,
    **kwargs: Any,
) -> Any:
    """Invoke the function if the integration's role or the function's policy allows it; otherwise answer 500."""
    function = apigateway_v1._extract_lambda_ref_from_integration_uri(integration.get("uri", ""))
    account, region = responses.get_account_id(), responses.get_region()
    source = f"arn:aws:execute-api:{region}:{account}:{api_id}/{stage_name}/{method}{resource['path']}"
    service = "apigateway.amazonaws.com"
    if role_arn := integration.get("credentials"):
        allowed = iam_role.trusts(role_arn, service) and iam_role.may(
            iam_role.assume(role_arn, "BackplaneAssumeRoleSession"), "lambda:InvokeFunction", function
        )
    else:
        allowed = function_lets_in(function, service, source)
    if not allowed:
        logger.warning("Invalid permissions on Lambda function: %s may not be invoked for %s", function, source)
        return apigateway_v1._gw_error("API_CONFIGURATION_ERROR", "Internal server error")
    return await invoke(integration, api_id, stage_name, stage, resource, request_path, method, *args, **kwargs)
