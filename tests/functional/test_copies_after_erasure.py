"""What remains of messages that were erased: the lists of AWS to their end, and the owner's own targets."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from ops.aws.account import Account
from ops.naming import AwsLocation
from ops.operations import copies_after_erasure
from tests.fakes import NOW, stage


class Service:
    """DynamoDB and EventBridge, whose lists have two pages."""

    def describe_continuous_backups(self, TableName: str) -> dict[str, Any]:
        status = {"PointInTimeRecoveryStatus": "ENABLED", "RecoveryPeriodInDays": 7}
        return {"ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": status}}

    def list_backups(self, TableName: str, ExclusiveStartBackupArn: str = "") -> dict[str, Any]:
        if ExclusiveStartBackupArn:
            return {"BackupSummaries": [{"BackupName": f"after {ExclusiveStartBackupArn}"}]}
        return {"BackupSummaries": [{"BackupName": "first"}], "LastEvaluatedBackupArn": "first"}

    def list_archives(self, EventSourceArn: str, NextToken: str = "") -> dict[str, Any]:
        if NextToken:
            return {"Archives": [{"ArchiveName": "old", "RetentionDays": 0}]}
        return {"Archives": [{"ArchiveName": "new", "RetentionDays": 3}], "NextToken": "more"}


def test_everything_that_may_hold_a_copy_is_named_also_for_what_lay_in_a_letter_alone() -> None:
    service = Service()
    account = SimpleNamespace(
        where=AwsLocation("aws", "eu-central-1", "123456789012"), dynamodb=service, client=lambda name: service
    )
    found = copies_after_erasure.remaining(["in-a-letter"], {}, stage(), cast(Account, account), ["sqs:inbox"], NOW)
    assert [(copy.where, copy.expires_at) for copy in found["in-a-letter"]] == [
        ("backups of the table (point-in-time recovery)", NOW + 7 * copies_after_erasure.DAY),
        ("backup first", None),
        ("backup after first", None),
        ("backups by AWS Backup", None),
        ("archive new of the bus", NOW + 3 * copies_after_erasure.DAY),
        ("archive old of the bus", None),
        ("sqs:inbox", None),
    ]
