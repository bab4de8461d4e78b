"""What answering a visitor needs of AWS: the message table to remember it, and Amazon SES to send it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.adapters.aws import AwsError
from chalicelib.adapters.item_table import ItemTable
from chalicelib.errors import AutoreplyError
from chalicelib.logic.autoreply import HEADERS
from chalicelib.settings import Autoreply

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

    from chalicelib.adapters.providers.email import Sender


class AutoreplyTable:
    """An :class:`~chalicelib.logic.autoreply.AutoreplyLog` in the message table, by conditional writes.

    A message's record gets ``autoreply_at``. Budgets are items of their own, ``autoreply#<site>#…``, that expire.
    """

    def __init__(self, dynamodb: DynamoDBClient, table: str) -> None:
        self._table = ItemTable(dynamodb, table)

    def claim(self, message_id: str, now: int) -> bool:
        condition = "attribute_exists(id) AND attribute_not_exists(autoreply_at)"
        return self._table.update(message_id, "SET autoreply_at = :now", {":now": now}, condition=condition).done

    def take(self, key: str, most: int, until: int) -> bool:
        return self._table.take(f"autoreply#{key}", most, until)


class SesMailer:
    """A :class:`~chalicelib.logic.autoreply.Mailer` by Amazon SES.

    https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html, headers:
    https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_MessageHeader.html
    """

    def __init__(self, client: Sender) -> None:
        self._client = client

    def send(self, autoreply: Autoreply, to: str, subject: str, text: str) -> None:
        request: dict[str, Any] = {
            "FromEmailAddress": autoreply.from_header,
            "Destination": {"ToAddresses": [to]},
            "Content": {
                "Simple": {
                    "Subject": {"Data": subject, "Charset": "UTF-8"},
                    "Body": {"Text": {"Data": text, "Charset": "UTF-8"}},
                    "Headers": [{"Name": name, "Value": value} for name, value in HEADERS.items()],
                }
            },
        }
        if autoreply.reply_to:
            request["ReplyToAddresses"] = [autoreply.reply_to]
        if autoreply.configuration_set:
            request["ConfigurationSetName"] = autoreply.configuration_set
        try:
            self._client.send_email(**request)
        except AwsError as error:
            # Only the code: SES's message names the address.
            raise AutoreplyError(error.reason) from error
