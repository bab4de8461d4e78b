"""Store the end of the time that each site's last digest covered, in one item of the message table for each site."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from chalicelib.adapters.item_table import ItemTable

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

RETENTION = 30 * 24 * 60 * 60
"""Seconds after which an item that is not renewed expires, as its site or the stage's digest was removed."""


class DigestItems:
    """A :class:`~chalicelib.logic.digest.DigestLog` in DynamoDB, by conditional writes."""

    def __init__(
        self, dynamodb: DynamoDBClient, table: str, new_run: Callable[[], str] = lambda: uuid.uuid4().hex
    ) -> None:
        self._table = ItemTable(dynamodb, table)
        self._new_run = new_run

    def reported_until(self, site: str) -> int | None:
        return self._table.read(_key(site)).get("reported_until")

    def claim(self, site: str, before: int | None, until: int) -> bool:
        """Store ``until`` unless another run did. ``run`` recognises our own write if its answer was lost."""
        run = self._new_run()
        values: dict[str, object] = {":until": until, ":run": run, ":end": until + RETENTION}
        condition = "attribute_not_exists(reported_until)"
        if before is not None:
            condition, values[":before"] = "reported_until = :before", before
        update = "SET reported_until = :until, run = :run, expires_at = :end"
        done, item = self._table.update(_key(site), update, values, condition=condition)
        return done or item.get("run") == run

    def put_back(self, site: str, until: int, before: int | None) -> None:
        values: dict[str, object] = {":until": until}
        update = "REMOVE reported_until"
        if before is not None:
            update, values[":before"] = "SET reported_until = :before", before
        self._table.update(_key(site), update, values, condition="reported_until = :until")


def _key(site: str) -> str:
    return f"digest#{site}"
