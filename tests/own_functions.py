"""Functions of an owner's own, one for each kind of trigger, with a grant of each kind."""

from __future__ import annotations

import re

from chalicelib.function_spec import FunctionSpec, Grant, Resource, Trigger
from chalicelib.settings import Stage

TRIGGERS = {
    "s3": Trigger("s3", source="{bucket}", prefix="in/"),
    "event": Trigger("event", {"source": ["aws.codebuild"]}),
    "sns": Trigger("sns", source="news-{stage}"),
    "sqs": Trigger("sqs", source="orders", batch=25),
    "dynamodb": Trigger("dynamodb", source="orders"),
    "kinesis": Trigger("kinesis", source="orders"),
    "schedule": Trigger("schedule"),
    "rule": Trigger("rule", {"responsePayload": {"action": ["delivered"]}}),
    "invoke": Trigger("invoke"),
}
GRANTS = (
    Grant("SendPush", ("lambda:InvokeFunction",), Resource.NOTIFIERS, "tell of it"),
    Grant("ReadUploads", ("s3:GetObject",), "arn:{partition}:s3:::{bucket}/*", "read what it is about"),
)
OWN = tuple(
    FunctionSpec(f"tested_{kind}", trigger, memory=256, timeout=10, grants=GRANTS) for kind, trigger in TRIGGERS.items()
)


def with_own(stage: Stage) -> Stage:
    """Return the stage with all of them."""
    return stage._replace(functions=tuple(spec.name for spec in OWN), values={"bucket": "uploads-of-mine"})


def without_own_functions(text: str) -> str:
    """Remove the owner's own functions from each stage: their sources are not in a new stack."""
    of_stage = r"^(\[stages\.\w+\]\n(?:[^\[\n].*\n|\n)*?)functions = \[[^\]]*\].*\n"
    return re.sub(of_stage, r"\1", text, flags=re.MULTILINE)
