"""What the rules on the bus run: ``on_success`` and ``on_failure`` write one line of log for each outcome.

Lambda starts these two with this file alone, without ``app.py``, Chalice and Powertools: what does so little should
start as quickly. So nothing is imported that Lambda's runtime has not loaded before; and the file lies in ``vendor/``,
which is what Chalice puts beside ``app.py`` in the zip: docs/decisions/0032-the-rules-functions-stand-alone.md.

The shape of an event is Lambda's, not ours:
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

import json
import os
import time

TYPE_CHECKING = False  # Type checkers take the name for true; typing itself need not be loaded.
if TYPE_CHECKING:
    from typing import Any

_WITHOUT_PERSONAL_DATA = ("event", "canary")
"""Kinds of which a failure tells what was thrown. Of any other kind, nothing that was sent or thrown is logged."""
_cold_start = True


def on_success(event: "dict[str, Any]", context: "Any") -> None:
    """Log how a message ended well."""
    _log("INFO", "Message handled", outcome(event), context)


def on_failure(event: "dict[str, Any]", context: "Any") -> None:
    """Log and count that a message did not reach its owner; for a test event with all that is needed to send it again.

    What is known of each channel stands in the message's record by then: ``destined`` writes that as it happens. The
    owner hears of it where ``herald.toml`` says by which channels; what escapes then makes Lambda run the event again.
    """
    found = outcome(event)
    reason = found.get("action") or found.get("error_type") or found.get("condition", "")
    if found.get("kind") == "canary":
        _log("WARNING", "Canary did not get through", found, context)
    else:
        _log("ERROR", "Message not delivered", found, context)
        _count(found, reason)
    if "LAMBDA_NOTIFICATIONS" in os.environ:
        # Seldom, and nobody waits for it: what it takes is loaded then.
        from chalicelib.handlers import alarm

        alarm.handle({**found, "reason": reason}, context)


def outcome(event: "dict[str, Any]") -> "dict[str, Any]":
    """How a run of ``destined`` ended, as the fields of a log line; what has no value is left out.

    Returns
    -------
    ``message_id`` (a test event has the id that SNS gave it), ``kind`` (``contact``, ``event``, ``redrive`` or
    ``canary``, from the SNS message attributes), ``condition`` (``Success``, ``RetriesExhausted`` or
    ``EventAgeExceeded``), ``attempts``; of a success ``source`` and ``action``; of a failure ``error_type``, and for a
    kind without personal data ``error``, and for a test event ``request``: enough to send it again.
    """
    detail = event["detail"]
    context = _mapping(detail.get("requestContext"))
    response = _mapping(detail.get("responsePayload"))
    request = detail.get("requestPayload")
    records = (request or {}).get("Records") or [{}]
    sns = records[0].get("Sns", {})
    kind = str(sns.get("MessageAttributes", {}).get("kind", {}).get("Value", ""))
    attempts = context.get("approximateInvokeCount")
    # An age limit that ends an event before its first run leaves neither response nor error.
    failed = context.get("condition") != "Success"
    fields = {
        "message_id": _message_id(sns, kind),
        "kind": kind,
        "source": "" if failed else str(response.get("source", "")),
        "action": "" if failed else str(response.get("action", "")),
        "condition": str(context.get("condition", "")),
        "error_type": str(response.get("errorType", "")) if failed else "",
        "attempts": attempts if isinstance(attempts, int) else 0,
        "error": response if failed and kind in _WITHOUT_PERSONAL_DATA else None,
        "request": request if failed and kind == "event" else None,
    }
    return {name: value for name, value in fields.items() if value not in ("", None)}


def _message_id(sns: "dict[str, Any]", kind: str) -> str:
    """A contact message carries its own id, the redrive names it; anything else goes by the id that SNS gave it."""
    if kind == "redrive":
        return str(sns.get("Message", ""))
    try:
        return str(json.loads(sns["Message"])["id"])
    except (KeyError, TypeError, ValueError):
        return str(sns.get("MessageId", ""))


def _mapping(value: object) -> "dict[str, Any]":
    return value if isinstance(value, dict) else {}


def _log(level: str, message: str, found: "dict[str, Any]", context: "Any") -> None:
    """A line with the keys that every other function's has, which Powertools writes."""
    global _cold_start
    now = time.time()
    line = {
        "level": level,
        "message": message,
        "timestamp": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now)) + f",{int(now % 1 * 1000):03d}+0000",
        "service": "herald",
        "cold_start": _cold_start,
        "function_name": context.function_name,
        "function_memory_size": context.memory_limit_in_mb,
        "function_arn": context.invoked_function_arn,
        "function_request_id": context.aws_request_id,
        "correlation_id": found.get("message_id", ""),
        **found,
    }
    _cold_start = False
    trace = os.environ.get("_X_AMZN_TRACE_ID")
    if trace:
        line["xray_trace_id"] = trace.split(";")[0].removeprefix("Root=")
    _write(line)


def _count(found: "dict[str, Any]", reason: str) -> None:
    """The metric ``Failed``, in the embedded metric format as ``chalicelib/metrics.py`` has it."""
    if os.environ.get("HERALD_METRICS") == "off":
        return
    directive = {
        "Namespace": "Herald",
        "Dimensions": [["stage"]],
        "Metrics": [{"Name": "Failed", "Unit": "Count"}],
    }
    _write(
        {
            "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]},
            "stage": os.environ.get("HERALD_STAGE", ""),
            "message_id": found.get("message_id", ""),
            "kind": found.get("kind", ""),
            "reason": reason,
            "Failed": [1.0],
        }
    )


def _write(line: "dict[str, Any]") -> None:
    print(json.dumps(line, separators=(",", ":")), flush=True)
