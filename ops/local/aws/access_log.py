"""Log every IAM decision to a file: MiniStack keeps no record of them, where AWS has CloudTrail.

If the environment variable ``HERALD_LOCAL_ACCESS_LOG`` names a file, each evaluation of identity policies appends one
JSON line with the keys ``principal``, ``action``, ``resource``, ``decision`` and ``user_agent``. Decisions of
resource-based policies are left out. On AWS, CloudTrail events and IAM's last accessed information show the same, but
late and for many services without the resource.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed.html
"""

from __future__ import annotations

import contextvars
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ops.local.aws.ministack_modules import app, extend, iam_evaluator

EXTENDS = (
    "ministack.app:pin_signed_request",
    "ministack.core.iam_evaluator:EvalContext",
    "ministack.core.iam_evaluator:EvalResult",
    "ministack.core.iam_evaluator:evaluate",
    "ministack.core.iam_evaluator:evaluate_resource_policy",
)

VARIABLE = "HERALD_LOCAL_ACCESS_LOG"

_writing = threading.Lock()
_of_a_resource = contextvars.ContextVar("herald_local_of_a_resource", default=False)
_user_agent = contextvars.ContextVar("herald_local_user_agent", default="")


def install() -> None:
    """Log IAM decisions if ``HERALD_LOCAL_ACCESS_LOG`` names a file."""
    path = os.environ.get(VARIABLE)
    if path:
        extend(iam_evaluator, "evaluate", _noting(Path(path)))
        extend(iam_evaluator, "evaluate_resource_policy", _unnoted)
        extend(app, "pin_signed_request", _remember_user_agent)


def _remember_user_agent(
    pin: Callable[..., None], method: str, path: str, query: Any, headers: list[tuple[bytes, bytes]], **kwargs: Any
) -> None:
    """Keep the request's ``User-Agent`` for the log line."""
    named = (value.decode("latin-1") for name, value in headers if name.lower() == b"user-agent")
    _user_agent.set(next(named, ""))
    pin(method, path, query, headers, **kwargs)


def _unnoted(evaluate_resource_policy: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Evaluate a resource-based policy without logging the decision."""
    token = _of_a_resource.set(True)
    try:
        return evaluate_resource_policy(*args, **kwargs)
    finally:
        _of_a_resource.reset(token)


def _noting(path: Path) -> Callable[..., Any]:
    """Return a wrapper of ``evaluate`` that appends each decision to the file."""

    def noted(evaluate: Callable[..., Any], context: Any, *policies: Any) -> Any:
        result = evaluate(context, *policies)
        if _of_a_resource.get():
            return result
        line = json.dumps(
            {
                "principal": context.principal_arn,
                "action": context.action,
                "resource": context.resource_arn,
                "decision": result.decision,
                "user_agent": _user_agent.get(),
            }
        )
        with _writing, path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        return result

    return noted
