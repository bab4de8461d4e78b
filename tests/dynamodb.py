"""The message table of ``infra/data.yaml`` in this process, by MiniStack, which evaluates expressions and counts what
each call consumes as AWS does. No stack, no HTTP: thousands of messages in seconds.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html#write-request-unit
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ministack.services import dynamodb

from chalicelib.adapters.aws import ServiceError

ROOT = Path(__file__).parents[1]
_READS = ("GetItem", "BatchGetItem", "Query")


@dataclass(frozen=True, slots=True)
class Call:
    """One call, and what it consumed of the table and its indexes."""

    operation: str
    key: str
    units: float
    """Write units; of a read none are counted."""


class LocalTable:
    """A client of DynamoDB with one table, and a record of the calls that were made."""

    def __init__(self, name: str) -> None:
        self.calls: list[Call] = []
        self.before_call: Callable[[str, dict[str, Any]], None] = lambda operation, request: None
        """Called before each call: here a test lets a run die, or somebody else be quicker."""
        self._name = name
        self._one_at_a_time = threading.Lock()
        """Each of DynamoDB's writes is atomic; MiniStack's are in its server, which has one thread."""
        template = re.sub(r"!\w+ ", "", (ROOT / "infra/data.yaml").read_text(encoding="utf-8"))
        properties = yaml.safe_load(template)["Resources"]["Messages"]["Properties"]
        wanted = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
        dynamodb._tables.pop(name, None)
        status, _, body = dynamodb._create_table({"TableName": name, **{each: properties[each] for each in wanted}})
        assert status == 200, body

    def items(self) -> dict[str, dict[str, Any]]:
        """All that the table holds, by id."""
        return {item["id"]["S"]: item for item in json.loads(dynamodb._scan({"TableName": self._name})[2])["Items"]}

    def item(self, key: str) -> dict[str, Any]:
        """One item, empty if there is none; no call of the record."""
        answer = json.loads(dynamodb._get_item({"TableName": self._name, "Key": {"id": {"S": key}}})[2])
        item: dict[str, Any] = answer.get("Item", {})
        return item

    def size(self, message_id: str) -> int:
        """Bytes of a message's two items.

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
        """
        items = self.items()
        return sum(int(dynamodb._item_size_bytes(items[key])) for key in (message_id, f"fields#{message_id}"))

    def put_item(self, **request: Any) -> Any:
        return self._call("PutItem", dynamodb._put_item, request)

    def update_item(self, **request: Any) -> Any:
        return self._call("UpdateItem", dynamodb._update_item, request)

    def delete_item(self, **request: Any) -> Any:
        return self._call("DeleteItem", dynamodb._delete_item, request)

    def get_item(self, **request: Any) -> Any:
        return self._call("GetItem", dynamodb._get_item, request)

    def batch_get_item(self, **request: Any) -> Any:
        return self._call("BatchGetItem", dynamodb._batch_get_item, request)

    def query(self, **request: Any) -> Any:
        return self._call("Query", dynamodb._query, request)

    def _call(self, operation: str, handle: Callable[[dict[str, Any]], Any], request: dict[str, Any]) -> Any:
        self.before_call(operation, request)
        key = (request.get("Key") or request.get("Item") or {}).get("id", {}).get("S", "")
        with self._one_at_a_time:
            status, _, body = handle(json.loads(json.dumps(request)) | {"ReturnConsumedCapacity": "INDEXES"})
        answer = json.loads(body)
        # A condition that fails costs a write of the item that is there.
        failed = max(1, -(-dynamodb._item_size_bytes(answer.get("Item", {})) // 1024))
        consumed = answer.pop("ConsumedCapacity", {"CapacityUnits": failed})["CapacityUnits"]
        self.calls.append(Call(operation, key, 0 if operation in _READS else consumed))
        if status != 200:
            raise ServiceError(answer["__type"].rpartition("#")[2], status, fields=answer)
        return answer
