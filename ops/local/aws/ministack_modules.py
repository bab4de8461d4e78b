"""Import the modules of MiniStack that are extended, and define ``extend``, which wraps their functions.

MiniStack has no type hints, so its modules are ``Any``. MiniStack reads the environment when it is imported, so set the
environment before importing this module, as ``__main__`` does.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

apigateway_v1: Any = importlib.import_module("ministack.services.apigateway_v1")
app: Any = importlib.import_module("ministack.app")
cloudformation: Any = importlib.import_module("ministack.services.cloudformation.provisioners")
cloudwatch: Any = importlib.import_module("ministack.services.cloudwatch")
eventbridge: Any = importlib.import_module("ministack.services.eventbridge")
iam: Any = importlib.import_module("ministack.services.iam")
iam_actions: Any = importlib.import_module("ministack.core.iam_actions")
iam_evaluator: Any = importlib.import_module("ministack.core.iam_evaluator")
lambda_runtime: Any = importlib.import_module("ministack.core.lambda_runtime")
lambda_svc: Any = importlib.import_module("ministack.services.lambda_svc")
responses: Any = importlib.import_module("ministack.core.responses")
router: Any = importlib.import_module("ministack.core.router")
s3: Any = importlib.import_module("ministack.services.s3")
sigv4: Any = importlib.import_module("ministack.core.sigv4")
sns: Any = importlib.import_module("ministack.services.sns")
sqs: Any = importlib.import_module("ministack.services.sqs")
sts: Any = importlib.import_module("ministack.services.sts")

Result = dict[str, Any]
"""The result of running a function in MiniStack: ``body``, ``log`` and, if the invocation failed, ``error: True``."""


def extend(owner: Any, name: str, around: Callable[..., Any]) -> None:
    """Replace ``owner.name`` by ``around``, which receives the original as its first argument."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def replacement(*args: Any, **kwargs: Any) -> Any:
        return around(original, *args, **kwargs)

    setattr(owner, name, replacement)
