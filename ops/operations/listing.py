"""List messages of one site or all, newest first, page by page, and read many whole messages at once; never a scan.

A page of one site is one query of the index ``site``. A page of all sites is one query for each, merged by time. A site
that was removed from ``herald.toml`` is listed only when it is named.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb_items import from_item
from chalicelib.adapters.item_table import KEYS_AT_ONCE, aws_errors_as_store_errors
from chalicelib.adapters.message_table import fields_key, is_record
from chalicelib.adapters.stored_messages import MessageArchive
from chalicelib.errors import InvalidRequestError
from chalicelib.logic.message_files import facts_key
from chalicelib.logic.message_pages import Selection, page
from chalicelib.logic.stored_messages import MAX_PAGE, Archive, ListedMessage, StoredMessage
from chalicelib.settings import Stage
from ops.operations.same_address import address_of, addresses

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


def every(archive: Archive, sites: Sequence[str], selection: Selection) -> Iterator[ListedMessage]:
    """All selected messages; each page is read when it is needed."""
    selection = replace(selection, limit=MAX_PAGE)
    while True:
        found = page(archive, sites, selection)
        yield from found.messages
        if not found.cursor:
            return
        selection = replace(selection, cursor=found.cursor)


def whole(archive: OperatorArchive, listed: Iterable[ListedMessage]) -> Iterator[StoredMessage]:
    """The whole message for each listed one, in the same order; deleted ones are left out."""
    for some in _batches(listed, KEYS_AT_ONCE):
        found = archive.several([message.id for message in some])
        yield from (found[message.id] for message in some if message.id in found)


def is_of(address: str, fields: Mapping[str, str]) -> bool:
    """Whether one of a message's fields is this e-mail address, however it is written (``same_address.py``).

    A field that only mentions the address does not count. Raises :class:`InvalidRequestError` for a text that is not an
    address: an empty one would match every message with an empty field.
    """
    wanted = address_of(address)
    if not wanted:
        raise InvalidRequestError("email: expected an address such as you@example.com", key="email")
    return any("@" in text and wanted in addresses(text) for text in fields.values())


def _batches(listed: Iterable[ListedMessage], size: int) -> Iterator[list[ListedMessage]]:
    iterator = iter(listed)
    while some := list(islice(iterator, size)):
        yield some


class OperatorArchive(MessageArchive):
    """The archive that functions read, which can also read many whole messages at once."""

    def __init__(
        self,
        dynamodb: DynamoDBClient,
        stage: Stage,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(dynamodb, stage, clock)
        self._pause = pause

    def several(self, ids: Sequence[str]) -> dict[str, StoredMessage]:
        """Whole messages by their ids; those that don't exist are left out.

        A BatchGetItem for each hundred records, and one for what was written in them. Raises :class:`StoreError`.
        """
        found: dict[str, StoredMessage] = {}
        for start in range(0, len(ids), KEYS_AT_ONCE):
            some = ids[start : start + KEYS_AT_ONCE]
            records = {key: item for key, item in self._items(some).items() if is_record(item)}
            written = self._items([fields_key(message_id) for message_id in records]) if records else {}
            with_files = [one for one in records if written.get(fields_key(one), {}).get("files")]
            facts = self._items([facts_key(message_id) for message_id in with_files]) if with_files else {}
            for message_id, item in records.items():
                wrote = written.get(fields_key(message_id), {})
                found[message_id] = self._stored(item, wrote, facts.get(facts_key(message_id)))
        return found

    def _items(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        return self._item_table.read_many(keys, self._pause)

    def sites(self) -> list[str]:
        """The sites of which there are messages, also those that have left ``herald.toml``. Scans the index by site.

        No query knows them: a site that nobody names can only be read off its messages. Raises :class:`StoreError`.
        """
        found: set[str] = set()
        asked: dict[str, Any] = {}
        while True:
            with aws_errors_as_store_errors():
                answer = self._dynamodb.scan(
                    TableName=self._stage.table,
                    IndexName=self._stage.site_index,
                    ProjectionExpression="site",
                    **asked,
                )
            found.update(item["site"] for item in map(from_item, answer["Items"]))
            if not answer.get("LastEvaluatedKey"):
                return sorted(found)
            asked = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
