"""The targets of rules and subscribers: a function, queue, topic, state machine, log group or bus in the stage's own
account and region."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import BeforeValidator

from chalicelib.functions import FUNCTIONS
from chalicelib.own_functions import OWN
from chalicelib.settings import Stage
from ops.naming import QUEUES, AwsLocation, prefix

_EXAMPLES = {
    "sqs": "sqs:inbox",
    "sns": "sns:team",
    "lambda": "lambda:my-function",
    "states": "states:my-machine",
    "logs": "logs:/aws/events/forms",
    "events": "events:my-bus",
}
_BEFORE = {"lambda": "function:", "states": "stateMachine:", "logs": "log-group:", "events": "event-bus/"}
"""What stands before the name in an ARN."""
_NAMES = {
    "lambda": re.compile(r"[A-Za-z0-9_-]{1,64}(:[A-Za-z0-9_-]{1,128})?"),
    "sqs": re.compile(r"[A-Za-z0-9_-]{1,80}"),
    "sns": re.compile(r"[A-Za-z0-9_-]{1,256}"),
    "states": re.compile(r"[A-Za-z0-9_-]{1,80}"),
    "logs": re.compile(r"/aws/events/[A-Za-z0-9_/.#-]{1,500}"),
    "events": re.compile(r"[A-Za-z0-9_./-]{1,256}"),
}
"""The names that AWS allows; a function's may have a version or an alias behind it. Of log groups, AWS offers those
with this beginning: https://aws.amazon.com/premiumsupport/knowledge-center/cloudwatch-log-group-eventbridge/"""
_ARN = re.compile(r"arn:(?P<partition>[^:]+):(?P<service>[^:]+):(?P<region>[^:]+):(?P<account>[^:]+):(?P<rest>.+)")


@dataclass(frozen=True, slots=True)
class Target:
    """A target, by service and name."""

    service: str
    """``lambda``, ``sqs``, ``sns``, ``states``, ``logs`` or ``events``."""
    name: str
    """A function's name may have ``:alias`` behind it."""
    home: AwsLocation | None = None
    """Account and region, where ``herald.toml`` has an ARN."""

    def __str__(self) -> str:
        """The target as it is written in ``herald.toml``."""
        return self.arn(self.home) if self.home else f"{self.service}:{self.name}"

    @property
    def here(self) -> Target:
        """The target without account and region."""
        return replace(self, home=None)

    def arn(self, where: AwsLocation) -> str:
        return where.arn(self.service, _BEFORE.get(self.service, "") + self.name)

    def is_in(self, where: AwsLocation) -> bool:
        return self.home in (None, where)

    def is_heralds(self, stage: Stage) -> bool:
        """Whether the target is Herald's own. An event sent back to ``destined`` or its topic would circulate for ever,
        and Herald's queues are for failed events."""
        own = {
            "lambda": {stage.function(spec.name) for spec in (*FUNCTIONS, *OWN)},
            "sqs": {f"{prefix(stage)}-{queue}" for queue in QUEUES},
            "sns": {stage.topic, f"{prefix(stage)}-alarms"},
            "events": {stage.bus},
        }
        return self.name.partition(":")[0] in own.get(self.service, ())


def target(*services: str) -> Callable[[object], Target]:
    """A function that reads a target of one of these services; it raises ``ValueError`` with what is wrong."""

    examples = ", ".join([*(_EXAMPLES[service] for service in services), "or its ARN"])

    def read(text: object) -> Target:
        if not isinstance(text, str):
            raise ValueError(f"expected text such as {examples}")
        home = None
        if found := _ARN.fullmatch(text):
            home = AwsLocation(found["partition"], found["region"], found["account"])
            service, name = found["service"], found["rest"].removesuffix(":*")
            before = _BEFORE.get(service, "")
            service = service if name.startswith(before) else f"{service} {name.partition(':')[0]}"
            name = name.removeprefix(before)
        else:
            service, _, name = text.partition(":")
        if service not in services:
            raise ValueError(f"expected one of {', '.join(services)}, such as {examples}")
        if name.endswith(".fifo"):
            raise ValueError("FIFO queues and topics are not supported; name a standard one")
        if not _NAMES[service].fullmatch(name):
            raise ValueError(f"expected something like {examples}")
        if name.endswith(":$LATEST"):
            raise ValueError("$LATEST can't have permissions of its own; leave it out")
        return Target(service, name, home)

    return read


RuleTarget = Annotated[Target, BeforeValidator(target("sqs", "sns", "lambda", "states", "logs", "events"))]
SubscriberTarget = Annotated[Target, BeforeValidator(target("sqs", "lambda"))]


def one_or_more(found: object) -> object:
    """The value as a list; a single value may be written in place of a list of one."""
    return found if isinstance(found, list) else [found]
