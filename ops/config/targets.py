"""What a rule or the topic can send to: a function, queue or topic of the stage's own account and region."""

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
"""What AWS takes for a name; of a function with a version or an alias behind it."""
_ARN = re.compile(r"arn:(?P<partition>[^:]+):(?P<service>[^:]+):(?P<region>[^:]+):(?P<account>[^:]+):(?P<rest>.+)")


@dataclass(frozen=True, slots=True)
class Target:
    """One of them, by service and name."""

    service: str
    """``lambda``, ``sqs`` or ``sns``."""
    name: str
    """Of a function with ``:alias`` behind it, where one is meant."""
    home: AwsLocation | None = None
    """Where it is, if ``herald.toml`` has an ARN."""

    def __str__(self) -> str:
        """As it is written in ``herald.toml``."""
        return self.arn(self.home) if self.home else f"{self.service}:{self.name}"

    @property
    def here(self) -> Target:
        """The same without an account of its own."""
        return replace(self, home=None)

    def arn(self, where: AwsLocation) -> str:
        return where.arn(self.service, f"function:{self.name}" if self.service == "lambda" else self.name)

    def is_in(self, where: AwsLocation) -> bool:
        return self.home in (None, where)

    def is_heralds(self, stage: Stage) -> bool:
        """Whether Herald makes it. An event that came back to ``destined`` or its topic would go round for ever, and
        the queues are for what failed."""
        own = {
            "lambda": {stage.function(spec.name) for spec in FUNCTIONS},
            "sqs": {f"{prefix(stage)}-{queue}" for queue in QUEUES},
            "sns": {stage.topic, f"{prefix(stage)}-alarms"},
        }
        return self.name.partition(":")[0] in own[self.service]


def target(*services: str) -> Callable[[object], Target]:
    """What reads a target of one of these services; raises ``ValueError`` in words for the person who wrote it."""

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
            raise ValueError("a FIFO queue or topic can't be served; name a standard one")
        if not _NAMES[service].fullmatch(name):
            raise ValueError(f"expected something like {_EXAMPLES}")
        if name.endswith(":$LATEST"):
            raise ValueError("a function has no permissions for $LATEST; leave it out")
        return Target(service, name, home)

    return read


RuleTarget = Annotated[Target, BeforeValidator(target("lambda", "sqs", "sns"))]
SubscriberTarget = Annotated[Target, BeforeValidator(target("lambda", "sqs"))]


def one_or_more(found: object) -> object:
    """A list, where a single value is written for a list of one."""
    return found if isinstance(found, list) else [found]
