"""The targets of rules and subscribers: a function, queue or topic in the stage's own account and region."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import BeforeValidator

from chalicelib.functions import FUNCTIONS
from chalicelib.settings import Stage
from ops.naming import QUEUES, AwsLocation, prefix

_EXAMPLES = "sqs:inbox, sns:team, lambda:my-function, or its ARN"
_NAMES = {
    "lambda": re.compile(r"[A-Za-z0-9_-]{1,64}(:[A-Za-z0-9_-]{1,128})?"),
    "sqs": re.compile(r"[A-Za-z0-9_-]{1,80}"),
    "sns": re.compile(r"[A-Za-z0-9_-]{1,256}"),
}
"""The names that AWS allows; a function's may have a version or an alias behind it."""
_ARN = re.compile(r"arn:(?P<partition>[^:]+):(?P<service>[^:]+):(?P<region>[^:]+):(?P<account>[^:]+):(?P<rest>.+)")


@dataclass(frozen=True, slots=True)
class Target:
    """A target, by service and name."""

    service: str
    """``lambda``, ``sqs`` or ``sns``."""
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
        return where.arn(self.service, f"function:{self.name}" if self.service == "lambda" else self.name)

    def is_in(self, where: AwsLocation) -> bool:
        return self.home in (None, where)

    def is_heralds(self, stage: Stage) -> bool:
        """Whether the target is Herald's own. An event sent back to ``destined`` or its topic would circulate for ever,
        and Herald's queues are for failed events."""
        own = {
            "lambda": {stage.function(spec.name) for spec in FUNCTIONS},
            "sqs": {f"{prefix(stage)}-{queue}" for queue in QUEUES},
            "sns": {stage.topic, f"{prefix(stage)}-alarms"},
        }
        return self.name.partition(":")[0] in own[self.service]


def target(*services: str) -> Callable[[object], Target]:
    """A function that reads a target of one of these services; it raises ``ValueError`` with what is wrong."""

    def read(text: object) -> Target:
        if not isinstance(text, str):
            raise ValueError(f"expected text such as {_EXAMPLES}")
        home = None
        if found := _ARN.fullmatch(text):
            home = AwsLocation(found["partition"], found["region"], found["account"])
            service, name = found["service"], found["rest"]
            if service == "lambda":
                kind, _, name = name.partition(":")
                service = service if kind == "function" else f"{service} {kind}"
        else:
            service, _, name = text.partition(":")
        if service not in services:
            raise ValueError(f"expected one of {', '.join(services)}, such as {_EXAMPLES}")
        if name.endswith(".fifo"):
            raise ValueError("FIFO queues and topics are not supported; name a standard one")
        if not _NAMES[service].fullmatch(name):
            raise ValueError(f"expected something like {_EXAMPLES}")
        if name.endswith(":$LATEST"):
            raise ValueError("$LATEST can't have permissions of its own; leave it out")
        return Target(service, name, home)

    return read


RuleTarget = Annotated[Target, BeforeValidator(target("lambda", "sqs", "sns"))]
SubscriberTarget = Annotated[Target, BeforeValidator(target("lambda", "sqs"))]


def one_or_more(found: object) -> object:
    """The value as a list; a single value may be written in place of a list of one."""
    return found if isinstance(found, list) else [found]
