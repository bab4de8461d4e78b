"""Names and ARNs of what a stage has in an account, and numbers that several layers must agree on."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.settings import APP, Stage


@dataclass(frozen=True, slots=True)
class AwsLocation:
    """The account and region that a stage is deployed to."""

    partition: str
    region: str
    account: str

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


PSEUDO_PARAMETERS = AwsLocation("${AWS::Partition}", "${AWS::Region}", "${AWS::AccountId}")
"""No account: CloudFormation's own names for what differs between accounts."""


def prefix(stage: Stage) -> str:
    """What the name of everything of a stage begins with."""
    return f"{APP}-{stage.name}"


def tags(stage: Stage) -> dict[str, str]:
    """What everything of a stage is tagged with, but roles."""
    return {"app": APP, "stage": stage.name}


def logical(table: str, name: str) -> str:
    """What the resources of an entry begin with in the template: ``RuleInbox``."""
    return "".join(part.capitalize() for part in (table, *name.split("-")))


QUEUES = {
    "topic-dead-letters": "SNS could not hand a message to `destined`. It was accepted, and nobody was rung.",
    "failed-events": "Lambda's attempts at a message are over, and its event is kept here. Perhaps nobody was rung.",
    "rule-dead-letters": "A rule of the bus, or the function that it runs, failed for good. An outcome was not told.",
    "subscriber-dead-letters": "SNS could not hand a message to a subscriber of yours. Its delivery goes its own way.",
}
"""The queues of infra/data.yaml, and what a letter in each means."""

CANARY_MAY_BE_LATE = 2
"""Hours."""
MAX_CANARY_HOURS = 7 * 24 - CANARY_MAY_BE_LATE
"""Between two canaries, so that the alarm looks back on seven days, the most that it may."""
