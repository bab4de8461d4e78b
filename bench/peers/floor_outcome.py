"""The floor of ``on_success`` and ``on_failure``: one log line, no call. A bare handler would be the same."""

import json


def handler(event, context):
    detail = event["detail"]
    record = detail["requestPayload"]["Records"][0]["Sns"]
    answer = detail["responsePayload"]
    line = {
        "level": "INFO",
        "message_id": json.loads(record["Message"])["id"],
        "condition": detail["requestContext"]["condition"],
        "action": answer.get("action"),
        "source": answer.get("source"),
    }
    print(json.dumps(line))
