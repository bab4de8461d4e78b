"""Erasing messages, and the copies of them that remain: where each is, and when it is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from chalicelib.adapters.dynamodb_items import from_item, to_item
from chalicelib.adapters.messages import store_errors
from chalicelib.logic.archive import StoredMessage
from chalicelib.logic.delivery_types import State
from chalicelib.logic.duplicates import content_hash
from chalicelib.settings import Stage
from ops.aws.account import Account

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

DAY = 24 * 3600
_RECOVERY_DAYS = 35
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/PointInTimeRecovery_Howitworks.html"""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of an erased message that remains, or may remain."""

    where: str
    """For a person, such as ``backups of the table (point-in-time recovery)``."""
    expires_at: int | None
    """The second at which it is gone for certain; None where that is up to somebody else."""
    note: str = ""

    def as_json(self) -> dict[str, object]:
        return {"where": self.where, "expires_at": self.expires_at, "note": self.note or None}


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure did."""

    id: str
    letters: int
    """Dead letters that held the message and were deleted with it."""
    copies: tuple[Copy, ...]

    def as_json(self) -> dict[str, object]:
        return {"id": self.id, "letters": self.letters, "copies": [copy.as_json() for copy in self.copies]}


def delete(dynamodb: DynamoDBClient, stage: Stage, message: StoredMessage) -> None:
    """Delete a message's item, and so what the indexes hold of it, and the record of its content's hash."""
    with store_errors():
        # adapters/recent_activity.py: another message may have taken the place of this one there.
        hashed = f"content#{content_hash(message.listed.site, message.fields)}"
        answer = dynamodb.get_item(TableName=stage.table, Key=to_item({"id": hashed}), ConsistentRead=True)
        if from_item(answer.get("Item", {})).get("message_id") == message.listed.id:
            dynamodb.delete_item(TableName=stage.table, Key=to_item({"id": hashed}))
        dynamodb.delete_item(TableName=stage.table, Key=to_item({"id": message.listed.id}))


def remaining(
    ids: Iterable[str],
    messages: Mapping[str, StoredMessage],
    stage: Stage,
    account: Account,
    sent_to: Iterable[str],
    now: int,
) -> dict[str, tuple[Copy, ...]]:
    """The copies that remain of what was deleted, by its ids: ``messages`` has those that were in the table."""
    of_all = (
        *_backups(stage, account, now),
        *(Copy(target, None, "what your rule or subscriber sent") for target in sent_to),
    )
    return {one: (*of_all, *(_of(messages[one], stage, now) if one in messages else ())) for one in ids}


def _backups(stage: Stage, account: Account, now: int) -> Iterable[Copy]:
    recovery = "backups of the table (point-in-time recovery)"
    try:
        described = account.dynamodb.describe_continuous_backups(TableName=stage.table)
        found: Any = described["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
        if found.get("PointInTimeRecoveryStatus") == "ENABLED":
            days = int(found.get("RecoveryPeriodInDays", _RECOVERY_DAYS))
            yield Copy(recovery, now + days * DAY)
    except ClientError as error:
        yield Copy(recovery, now + _RECOVERY_DAYS * DAY, f"perhaps: it could not be asked ({error})")
    try:
        for backup in _every(account.dynamodb.list_backups, "BackupSummaries", _BACKUPS, TableName=stage.table):
            yield Copy(f"backup {backup['BackupName']}", None, "until somebody deletes it")
        # https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ListBackups.html
        yield Copy("backups that AWS Backup has made", None, "perhaps: nobody but AWS Backup lists them")
    except ClientError as error:
        yield Copy("backups that somebody made of the table", None, f"perhaps: they could not be listed ({error})")
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
    """All of a list that is answered page by page; ``token``: how the answer and the next request call its place."""
    while True:
        answer = ask(**asked)
        yield from answer.get(name, [])
        if not answer.get(token[0]):
            return
        asked[token[1]] = answer[token[0]]


def _of(message: StoredMessage, stage: Stage, now: int) -> Iterable[Copy]:
    listed = message.listed
    in_queue = listed.received_at + stage.persistence.lambda_age
    if now < in_queue and any(
        each.state in (State.PENDING, State.SENDING, State.WAITING, State.UNCERTAIN)
        for each in listed.channels.values()
    ):
        yield Copy(
            "Lambda's queue of `destined`",
            in_queue,
            "perhaps: a try that is under way may store and deliver it once more; look again by then",
        )
    for name, delivery in listed.channels.items():
        if delivery.attempts:
            kind = stage.channels[name].kind if name in stage.channels else name
            yield Copy(f"whoever `{name}` leads to", None, _AT.get(kind, "up to them"))


_AT = {
    "pushover": "Pushover, and your devices",
    "email": "the recipients' mailboxes",
    "webhook": "the receiver of the webhook",
}
