"""Publish messages to the SNS topic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.adapters.aws import AwsError, client, sibling_arn
from chalicelib.errors import PublishError

if TYPE_CHECKING:
    from types_boto3_sns import SNSClient


class SnsTopic:
    """Publishes messages to one topic."""

    def __init__(self, sns: SNSClient, name: str) -> None:
        self._sns = sns
        self._name = name
        self._arn = ""

    @classmethod
    def connect(cls, name: str, *, after_files: bool) -> SnsTopic:
        """Make the topic and its client; raises :class:`PublishError` where no region is configured.

        ``after_files``: a form's files may be put before, which leaves less of API Gateway's time-out.
        """
        try:
            return cls(client("sns", connect=1, read=4, attempts=2) if after_files else client("sns"), name)
        except AwsError as error:
            raise PublishError(error.reason) from error

    def publish(self, text: str, *, site: str, kind: str, function_arn: str) -> None:
        """Publish; returns once SNS has accepted the message, raises :class:`PublishError` otherwise.

        ``site`` and ``kind`` are message attributes, so that a rule on the bus can match them even where ``destined``
        returned nothing. The client repeats a request that timed out, so a message may arrive twice; ``destined``
        recognises the second by its id.
        """
        try:
            self._arn = self._arn or sibling_arn(function_arn, "sns", self._name)
            self._sns.publish(
                TopicArn=self._arn,
                Message=text,
                MessageAttributes={
                    "site": {"DataType": "String", "StringValue": site},
                    "kind": {"DataType": "String", "StringValue": kind},
                },
            )
        except AwsError as error:
            raise PublishError(error.reason) from error
