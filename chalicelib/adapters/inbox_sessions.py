"""Store used links and open sessions of the inbox, as items of the message table that expire.

- ``inbox-link#<hash>``: a link that was used
- ``inbox#<channel>``: an attribute ``<hash>`` for each session, ``{since, ends_at}``; and ``ended_at``, when a person
  ended all of them
- ``inbox-fresh#<channel>#<hour>``: how many fresh links were sent in an hour
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.adapters.item_table import ItemTable
from chalicelib.logic.inbox_links import FRESH_LINKS, LINK_LIFE, Link
from chalicelib.logic.inbox_sessions import MAX_SESSIONS, OpenSession, Session
from chalicelib.logic.inbox_tokens import hashed

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_HOUR = 3600


class SessionTable:
    """The :class:`~chalicelib.logic.inbox_sessions.Sessions` in DynamoDB."""

    def __init__(self, dynamodb: DynamoDBClient, table: str) -> None:
        self._table = ItemTable(dynamodb, table)

    def use(self, token: str, link: Link) -> bool:
        if link.ends_at <= self._table.read(f"inbox#{link.channel}").get("ended_at", 0) + LINK_LIFE:
            return False
        # A repetition whose first answer was lost finds its own item: the link counts as used, and a fresh one helps.
        return self._table.update(
            f"inbox-link#{hashed(token)}",
            "SET expires_at = :until",
            {":until": link.ends_at},
            condition="attribute_not_exists(id)",
        ).done

    def open(self, session: Session, now: int) -> None:
        known = self.sessions(session.channel)
        over = [each.key for each in known if each.ends_at <= now]
        oldest = [each.key for each in known if each.ends_at > now][MAX_SESSIONS - 1 :]
        ended = {f"#over{number}": key for number, key in enumerate(over + oldest)}
        self._table.update(
            f"inbox#{session.channel}",
            "SET #new = :new, expires_at = :until" + (f" REMOVE {', '.join(ended)}" if ended else ""),
            {":new": {"since": now, "ends_at": session.ends_at}, ":until": now + LINK_LIFE},
            names={"#new": hashed(session.id), **ended},
        )

    def has(self, session: Session) -> bool:
        return hashed(session.id) in self._table.read(f"inbox#{session.channel}")

    def sessions(self, channel: str) -> list[OpenSession]:
        found = [
            OpenSession(name, value["since"], value["ends_at"])
            for name, value in self._table.read(f"inbox#{channel}").items()
            if isinstance(value, dict)
        ]
        return sorted(found, key=lambda each: (-each.since, each.key))

    def end(self, channel: str, keys: list[str]) -> None:
        names = {f"#key{number}": key for number, key in enumerate(keys)}
        if names:
            update = f"REMOVE {', '.join(names)}"
            self._table.update(f"inbox#{channel}", update, condition="attribute_exists(id)", names=names)

    def end_all(self, channel: str, now: int) -> int:
        known = [each for each in self.sessions(channel) if each.ends_at > now]
        self.end(channel, [each.key for each in known])
        self._table.update(
            f"inbox#{channel}",
            "SET ended_at = :now, expires_at = :until",
            {":now": now, ":until": now + LINK_LIFE},
        )
        return len(known)

    def may_send_link(self, channel: str, now: int) -> bool:
        hour = now // _HOUR
        return self._table.take(f"inbox-fresh#{channel}#{hour}", FRESH_LINKS, (hour + 2) * _HOUR)
