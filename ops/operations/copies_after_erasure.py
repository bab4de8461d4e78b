"""The copies that remain of an erased message: where each is, and when it is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.adapters.providers import kinds
from chalicelib.logic.delivery_types import State
from chalicelib.logic.stored_messages import StoredMessage
from chalicelib.settings import Stage
from ops.aws.account import Account

DAY = 24 * 3600
_RECOVERY_DAYS = 35
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/PointInTimeRecovery_Howitworks.html"""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of an erased message that remains, or may remain."""

    where: str
    """For a person, such as ``backups of the table (point-in-time recovery)``."""
    expires_at: int | None
    """The second by which it is certainly gone; None where somebody else decides that."""
    note: str = ""

    def as_json(self) -> dict[str, object]:
        return {"where": self.where, "expires_at": self.expires_at, "note": self.note or None}


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure did."""

    id: str
    letters: int
    """The number of dead letters that held the message and were deleted with it."""
    copies: tuple[Copy, ...]

    def as_json(self) -> dict[str, object]:
        return {"id": self.id, "letters": self.letters, "copies": [copy.as_json() for copy in self.copies]}


def remaining(
    ids: Iterable[str],
    messages: Mapping[str, StoredMessage],
    stage: Stage,
    account: Account,
    sent_to: Iterable[str],
    now: int,
) -> dict[str, tuple[Copy, ...]]:
    """The copies that remain of each deleted message, by id. ``messages`` holds those that were in the table."""
    of_all = (
        *_backups(stage, account, now),
        *(Copy(target, None, "sent there by your rule or subscriber") for target in sent_to),
    )
    return {found: (*of_all, *(_of(messages[found], stage, now) if found in messages else ())) for found in ids}


def _backups(stage: Stage, account: Account, now: int) -> Iterable[Copy]:
    recovery = "backups of the table (point-in-time recovery)"
    try:
        described = account.dynamodb.describe_continuous_backups(TableName=stage.table)
        found: Any = described["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
        if found.get("PointInTimeRecoveryStatus") == "ENABLED":
            days = int(found.get("RecoveryPeriodInDays", _RECOVERY_DAYS))
            yield Copy(recovery, now + days * DAY)
    except ClientError as error:
        yield Copy(recovery, now + _RECOVERY_DAYS * DAY, f"perhaps: AWS did not say ({error})")
    try:
        for backup in _every(account.dynamodb.list_backups, "BackupSummaries", _BACKUPS, TableName=stage.table):
            yield Copy(f"backup {backup['BackupName']}", None, "until somebody deletes it")
        # https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ListBackups.html
        yield Copy("backups by AWS Backup", None, "perhaps: only AWS Backup can list them")
    except ClientError as error:
        yield Copy("other backups of the table", None, f"perhaps: they could not be listed ({error})")
    bus = account.where.arn("events", f"event-bus/{stage.bus}")
    try:
        for archive in _every(account.client("events").list_archives, "Archives", _ARCHIVES, EventSourceArn=bus):
            days = archive.get("RetentionDays", 0)
            yield Copy(f"archive {archive['ArchiveName']} of the bus", now + days * DAY if days else None)
    except ClientError as error:
        yield Copy("archives of the bus", None, f"perhaps: they could not be listed ({error})")


_BACKUPS = ("LastEvaluatedBackupArn", "ExclusiveStartBackupArn")
_ARCHIVES = ("NextToken", "NextToken")


def _every(ask: Callable[..., Any], name: str, token: tuple[str, str], **asked: str) -> Iterator[Any]:
    """All entries of a list that AWS answers in pages. ``token`` holds the names of the next page's token in an answer
    and in a request."""
    while True:
        answer = ask(**asked)
        yield from answer.get(name, [])
        if not answer.get(token[0]):
            return
        asked[token[1]] = answer[token[0]]


def _of(message: StoredMessage, stage: Stage, now: int) -> Iterable[Copy]:
    listed = message.listed
    in_queue = listed.received_at + stage.retry_times.lambda_age_seconds
    if now < in_queue and any(
        each.state in (State.PENDING, State.SENDING, State.WAITING, State.UNCERTAIN)
        for each in listed.channels.values()
    ):
        yield Copy(
            "Lambda's queue of `destined`",
            in_queue,
            "perhaps: an attempt in progress may store and deliver it again; check again then",
        )
    for name, delivery in listed.channels.items():
        if delivery.attempts:
            kind = stage.channels[name].kind if name in stage.channels else name
            keeps = kinds()[kind].leaves_copies_with if kind in kinds() else "until they delete it"
            yield Copy(f"the recipients of `{name}`", None, keeps)
