"""Invoke functions asynchronously as Lambda does, with retries, destinations and dead-letter queues for every source.

MiniStack retries events of some sources only. It has neither OnSuccess nor event buses as destinations, and it sends
invocation records to dead-letter queues, where AWS sends the event. This module also calls destinations and dead-letter
queues with the function's execution role, so that IAM authorizes the calls.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html

Sources are SNS, EventBridge rules, ``InvocationType=Event`` and whatever else MiniStack invokes asynchronously.

AWS waits 60 seconds before the first retry and 120 before the second. The environment variable
``HERALD_LOCAL_RETRY_SECONDS`` sets the waits of the local AWS ("1,2" unless set). The age of an event, which
``MaximumEventAgeInSeconds`` limits, is computed with AWS's waits.
"""

from __future__ import annotations

import contextvars
import datetime
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from ops.local.aws import iam_role
from ops.local.aws.ministack_modules import Result, cloudwatch, eventbridge, lambda_runtime, lambda_svc, responses, sns

EXTENDS = (
    "ministack.core.lambda_runtime:execution_credentials",
    "ministack.core.responses:get_account_id",
    "ministack.core.responses:get_region",
    "ministack.core.responses:new_uuid",
    "ministack.core.responses:request_scope",
    "ministack.services.cloudwatch:record_metric",
    "ministack.services.eventbridge:_dispatch_to_lambda",
    "ministack.services.lambda_svc:_account_region_from_function_config",
    "ministack.services.lambda_svc:_acquire_execution_slot",
    "ministack.services.lambda_svc:_emit_lambda_metrics",
    "ministack.services.lambda_svc:_execute_function_dispatch",
    "ministack.services.lambda_svc:_execution_record_for_config",
    "ministack.services.lambda_svc:_get_base_func_record_for_ref",
    "ministack.services.lambda_svc:_get_func_record_for_ref",
    "ministack.services.lambda_svc:_put_event_invoke_config",
    "ministack.services.lambda_svc:_release_execution_slot",
    "ministack.services.lambda_svc:_resolve_name_and_qualifier",
    "ministack.services.lambda_svc:invoke_async_with_retry",
    "ministack.services.sns:_deliver_to_lambda",
)

logger = logging.getLogger("herald.local.async_invoke")

AWS_RETRY_SECONDS = (60.0, 120.0)
DEFAULT_LOCAL_RETRY_SECONDS = "1,2"
# AWS returns a throttled event to the queue, first for 1 second and at most for 5 minutes. The local AWS waits a tenth.
FIRST_THROTTLE_SECONDS, LONGEST_THROTTLE_SECONDS, THROTTLE_SCALE = 1.0, 300.0, 0.1


def install() -> None:
    """Replace MiniStack's asynchronous invocation, whatever the source, by ``invoke``."""
    retry_seconds()  # raises now if the variable is malformed
    lambda_svc.invoke_async_with_retry = invoke
    sns._deliver_to_lambda = deliver_from_sns
    eventbridge._dispatch_to_lambda = deliver_from_eventbridge


def retry_seconds() -> list[float]:
    """Return the seconds to wait before each retry, from ``HERALD_LOCAL_RETRY_SECONDS``.

    Raises ValueError, naming the variable, if it isn't a comma-separated list of numbers.
    """
    text = os.environ.get("HERALD_LOCAL_RETRY_SECONDS") or DEFAULT_LOCAL_RETRY_SECONDS
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f'HERALD_LOCAL_RETRY_SECONDS is {text!r}, not seconds like "1,2"') from None


def deliver_from_sns(
    endpoint: str,
    envelope: str,
    topic_arn: str,
    sub_arn: str,
    msg_id: str,
    raw_message: str,
    message_attributes: dict[str, Any],
) -> None:
    """Invoke the function asynchronously with an SNS notification.

    ``endpoint`` is the ARN of the function, ``sub_arn`` that of the subscription. ``envelope`` is the notification
    as JSON. The other parameters are unused.
    """
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": sub_arn,
        "Sns": json.loads(envelope),
    }
    _invoke_by_arn(endpoint, {"Records": [record]})


def deliver_from_eventbridge(arn: str, payload: str) -> None:
    """Invoke the function asynchronously with an EventBridge event.

    ``payload`` is JSON, or plain text if the target's input transformer made it so.
    """
    try:
        event = json.loads(payload)
    except ValueError:
        event = payload
    _invoke_by_arn(arn, event)


def _invoke_by_arn(arn: str, event: Any) -> None:
    function, config, name = lambda_svc._get_func_record_for_ref(arn)
    if function is None or config is None:
        logger.warning("no function %s to invoke", name)
        return
    invoke(lambda_svc._execution_record_for_config(function, config), event)


def invoke(func: dict[str, Any], event: Any) -> None:
    """Invoke a function asynchronously: return at once and process the event in a thread."""
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(_see_through, func, event), daemon=True).start()


def _see_through(func: dict[str, Any], event: Any) -> None:
    """Process an event to its end, in the function's account and region. Logs exceptions."""
    config = func.get("config") or func
    with responses.request_scope(*lambda_svc._account_region_from_function_config(config)):
        try:
            Invocation(config["FunctionArn"], event).run()
        except Exception:
            logger.exception("asynchronous invocation of %s was lost", config.get("FunctionName"))


class Invocation:
    """One asynchronous invocation: its attempts, which share a request id, and its invocation record."""

    def __init__(self, function_ref: str, event: Any) -> None:
        self.function_ref = function_ref
        self.name, self.qualifier = lambda_svc._resolve_name_and_qualifier(function_ref)
        self.event = event
        self.request_id: str = responses.new_uuid()
        self.attempts = 0
        self.config: dict[str, Any] = {}
        self.result: Result | None = None
        self._accepted = time.monotonic()
        self._saved = 0.0  # seconds that AWS would have waited longer than the local AWS

    def run(self) -> None:
        """Run the function until success, the last retry or the maximum age, then send the results."""
        throttled = 0
        while True:
            record = self._current_record()
            if record is None:
                return  # the function was deleted: AWS drops its events, too
            settings = self._settings()
            retries = int(settings.get("MaximumRetryAttempts", 2))
            self.result = self._attempt(record)
            if self.result is None:
                if record.get("concurrency") == 0:
                    # "Lambda begins sending new events to the … on-failure event destination, without any retries."
                    self._finish("RetriesExhausted", settings)
                    return
                wait = min(FIRST_THROTTLE_SECONDS * 2**throttled, LONGEST_THROTTLE_SECONDS)
                local_wait = wait * THROTTLE_SCALE
                throttled += 1
            elif not self.result.get("error"):
                self._finish("Success", settings)
                return
            elif self.attempts > retries:
                self._finish("RetriesExhausted", settings)
                return
            else:
                step = self.attempts - 1
                local_waits = retry_seconds()
                wait = AWS_RETRY_SECONDS[min(step, len(AWS_RETRY_SECONDS) - 1)]
                local_wait = local_waits[min(step, len(local_waits) - 1)]
            age = time.monotonic() - self._accepted + self._saved
            if age + wait > int(settings.get("MaximumEventAgeInSeconds", 21600)):
                self._finish("EventAgeExceeded", settings)
                return
            time.sleep(local_wait)
            self._saved += max(0.0, wait - local_wait)

    def _current_record(self) -> dict[str, Any] | None:
        # Read before each attempt, because code and settings may have been deployed since the last one.
        function, config, _ = lambda_svc._get_func_record_for_ref(self.function_ref)
        base, _, _ = lambda_svc._get_base_func_record_for_ref(self.function_ref)
        if function is None or config is None or base is None:
            return None
        self.config = {**config, "FunctionArn": self.function_ref}
        record: dict[str, Any] = lambda_svc._execution_record_for_config(function, self.config)
        record["concurrency"] = base.get("concurrency")
        return record

    def _settings(self) -> dict[str, Any]:
        base, _, _ = lambda_svc._get_base_func_record_for_ref(self.function_ref)
        configs = (base or {}).get("event_invoke_configs") or {}
        # On AWS a configuration without a qualifier applies to $LATEST. MiniStack stores the two separately.
        keys = [self.qualifier] if self.qualifier not in (None, "$LATEST") else ["", "$LATEST"]
        found = [configs[key] for key in keys if configs.get(key)]
        return max(found, key=lambda settings: settings.get("LastModified", 0), default={})

    def _attempt(self, record: dict[str, Any]) -> Result | None:
        """Run the function once. Return None if it is throttled, which doesn't count as an attempt."""
        slot, _ = lambda_svc._acquire_execution_slot(record, self.config)
        if slot is None:
            lambda_svc._emit_lambda_metrics(self.name, duration_ms=0.0, error=False, throttle=True)
            return None
        self.attempts += 1
        started = time.time()
        try:
            result: Result = lambda_svc._execute_function_dispatch(
                record, self.config, self.event, self.request_id, started
            )
        finally:
            lambda_svc._release_execution_slot(slot)
        lambda_svc._emit_lambda_metrics(
            self.name,
            duration_ms=(time.time() - started) * 1000,
            error=bool(result.get("error")),
            throttle=False,
        )
        return result

    def record(self, condition: str) -> dict[str, Any]:
        """Return the invocation record that a destination receives.

        ``condition`` is ``Success``, ``RetriesExhausted`` or ``EventAgeExceeded``.
        """
        qualified = self.function_ref if self.qualifier else f"{self.function_ref}:$LATEST"
        now = datetime.datetime.now(datetime.UTC)
        record: dict[str, Any] = {
            "version": "1.0",
            "timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "requestContext": {
                "requestId": self.request_id,
                "functionArn": qualified,
                "condition": condition,
                "approximateInvokeCount": self.attempts,
            },
            "requestPayload": self.event,
        }
        if self.result is not None:
            record["responseContext"] = {
                "statusCode": 200,
                "executedVersion": self.config.get("Version", "$LATEST"),
            }
            if self.result.get("error"):
                record["responseContext"]["functionError"] = self.result.get("function_error") or "Unhandled"
            record["responsePayload"] = self.result.get("body")
        return record

    def _finish(self, condition: str, settings: dict[str, Any]) -> None:
        """Send the record to the destination and, after a failure, the event to the dead-letter queue."""
        succeeded = condition == "Success"
        destinations = settings.get("DestinationConfig") or {}
        destination = (destinations.get("OnSuccess" if succeeded else "OnFailure") or {}).get("Destination")
        dead_letters = (self.config.get("DeadLetterConfig") or {}).get("TargetArn")
        if destination:
            self._deliver(destination, "DestinationDeliveryFailures", lambda: self._send(destination, condition))
        if dead_letters and not succeeded:
            self._deliver(dead_letters, "DeadLetterErrors", lambda: self._send_dead_letter(dead_letters))

    def _deliver(self, target: str, metric: str, send: Callable[[], None]) -> None:
        """Call ``send``. If it fails, log a warning and count the CloudWatch metric."""
        try:
            send()
        except Exception as error:
            # An AccessDenied message names the role and the missing action. It never holds the payload.
            logger.warning("%s: %s → %s: %s", metric, self.name, target, error)
            cloudwatch.record_metric("AWS/Lambda", metric, 1, "Count", {"FunctionName": self.name})

    def _client(self, service: str) -> Any:
        """Return a boto3 client with the credentials of the function's execution role."""
        keys = lambda_runtime.execution_credentials(self.config)
        return iam_role.client(service, iam_role.credentials_from_environment(keys))

    def _send(self, destination: str, condition: str) -> None:
        """Send the invocation record to the destination, an ARN of EventBridge, SQS, SNS or Lambda."""
        record = self.record(condition)
        # AWS doesn't escape non-ASCII characters. Escapes would count against size limits, which are in bytes.
        text = json.dumps(record, ensure_ascii=False)
        service = destination.split(":")[2]
        if service == "events":
            outcome = "Success" if condition == "Success" else "Failure"
            entry = {
                "Source": "lambda",
                "DetailType": f"Lambda Function Invocation Result - {outcome}",
                "Resources": [destination, record["requestContext"]["functionArn"]],
                "Detail": text,
                "EventBusName": destination,
            }
            answer = self._client("events").put_events(Entries=[entry])
            if answer["FailedEntryCount"]:
                raise RuntimeError(answer["Entries"][0].get("ErrorMessage"))
        elif service == "sqs":
            self._client("sqs").send_message(QueueUrl=_queue_url(destination), MessageBody=text)
        elif service == "sns":
            self._client("sns").publish(TopicArn=destination, Message=text)
        elif service == "lambda":
            self._client("lambda").invoke(FunctionName=destination, InvocationType="Event", Payload=text.encode())
        else:
            raise RuntimeError(f"destinations of {service} aren't supported by the local AWS")

    def _send_dead_letter(self, target: str) -> None:
        """Send the event, with the error in message attributes, to the dead-letter queue or topic."""
        payload = (self.result or {}).get("body")
        message = payload.get("errorMessage", "") if isinstance(payload, dict) else ""
        attributes = {
            "RequestID": {"DataType": "String", "StringValue": self.request_id},
            "ErrorCode": {"DataType": "Number", "StringValue": "200"},
            "ErrorMessage": {"DataType": "String", "StringValue": message[:1024] or "-"},
        }
        text = json.dumps(self.event, ensure_ascii=False)
        if target.split(":")[2] == "sqs":
            self._client("sqs").send_message(
                QueueUrl=_queue_url(target), MessageBody=text, MessageAttributes=attributes
            )
        else:
            self._client("sns").publish(TopicArn=target, Message=text, MessageAttributes=attributes)


def _queue_url(arn: str) -> str:
    account, name = arn.split(":")[4:6]
    return f"{os.environ['AWS_ENDPOINT_URL']}/{account}/{name}"
