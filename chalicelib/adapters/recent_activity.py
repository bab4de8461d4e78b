"""Remember recent messages, in items of the message table that expire.

``id`` is ``rate#<site>#<sender>``, ``proof#<challenge>``, ``captcha#<message id>`` or ``content#<hash>``; no
message has such an id. DynamoDB deletes an expired item only within days, so the code compares the times itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.item_table import ItemTable

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


class RecentTable:
    """A :class:`~chalicelib.logic.spam.RecentActivity` in DynamoDB. Every write is safe to repeat."""

    def __init__(self, dynamodb: DynamoDBClient, table: str, clock: Callable[[], float] = time.time) -> None:
        self._table = ItemTable(dynamodb, table)
        self._clock = clock

    def claim_first(self, key: str, claimant: str, at: int, seconds: int) -> str:
        """Store this claimant, unless another one is stored and not expired. Return the first of the two."""
        other = self._table.put(
            _item(key, claimant, at, seconds),
            "attribute_not_exists(id) OR message_id = :mine OR expires_at <= :at",
            {":mine": claimant, ":at": at},
        )
        # A delayed message may have been received long before the one that is stored.
        return claimant if other is None or at + seconds <= other["came_at"] else str(other["message_id"])

    def make_first(self, key: str, message_id: str, at: int, seconds: int) -> None:
        """Store this message's id, whatever is stored now."""
        self._table.put(_item(key, message_id, at, seconds))

    def count(self, sender: str, message_id: str, at: int, seconds: int, most: int) -> int:
        """Add this message to the sender's set of ``<time> <id>``, and count those within the time.

        A set holds the same member once, so that a retry is not counted; a message that is sent again with its key has
        another time, and its id counts once. The set is never larger than the limit needs, or each write of a flood
        would cost more than the one before.
        """
        member = f"{at} {message_id}"
        item, added = self._add(sender, member, max(at, int(self._clock())) + seconds, most)
        if not added and self._forget(sender, _obsolete(item, at - seconds)):
            item, added = self._add(sender, member, max(at, int(self._clock())) + seconds, most)
        counted = {other_id for time, other_id in _members(item) if at - seconds < time <= at}
        if added:
            self._forget(sender, _obsolete(item, at - seconds))
        return len(counted | {message_id})

    def _add(self, sender: str, member: str, expires_at: int, most: int) -> tuple[dict[str, Any], bool]:
        """The set's item, and whether the member is in it; a full set takes none."""
        done, item = self._table.update(
            f"rate#{sender}",
            "ADD members :one SET expires_at = :until",
            {":one": {member}, ":member": member, ":until": expires_at, ":most": most},
            condition="attribute_not_exists(members) OR size(members) <= :most OR contains(members, :member)",
            returns="ALL_NEW",
        )
        return item, done

    def _forget(self, sender: str, members: list[str]) -> bool:
        """Remove members from the set; returns False if there are none to remove."""
        if not members:
            return False
        self._table.update(f"rate#{sender}", "DELETE members :old", {":old": set(members)})
        return True


def _item(key: str, message_id: str, at: int, seconds: int) -> dict[str, object]:
    return {"id": key, "message_id": message_id, "came_at": at, "expires_at": at + seconds}


def _members(item: dict[str, Any]) -> list[tuple[int, str]]:
    """Time and message of each member, oldest first."""
    pairs = (member.split(" ", 1) for member in item.get("members", ()))
    return sorted((int(at), message_id) for at, message_id in pairs)


def _obsolete(item: dict[str, Any], since: int) -> list[str]:
    """Members from ``since`` or before, and all but the last of each message."""
    last = {message_id: at for at, message_id in _members(item)}
    return [f"{at} {message_id}" for at, message_id in _members(item) if at <= since or last[message_id] != at]
