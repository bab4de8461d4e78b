"""Saved queries of CloudWatch Logs Insights, one for each question that owners ask: part of the wiring template.

A saved query costs nothing; a run costs what it scans. Their log is that of ``on_success`` and ``on_failure``, whose
fields are those of ``chalicelib/logic/outcome_event.py``.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
"""

from __future__ import annotations

from typing import Any

from chalicelib.settings import Stage
from ops import naming

FUNCTIONS = ("on_success", "on_failure")
"""The functions whose log groups the queries read. They must exist before the queries."""
_FORM = 'kind = "contact" or kind = "retry" or kind = "notification"'

QUERIES = {
    "what became of messages": [
        "filter ispresent(message_id)",
        f"filter {_FORM}",
        "stats count(*) as messages by site, action, error_type",
        "sort messages desc",
    ],
    "messages a day": [
        'filter action = "delivered"',
        "stats count_distinct(message_id) as messages by bin(1d), site",
    ],
    "how long delivery took": [
        'filter action = "delivered" and ispresent(seconds)',
        "stats count(*) as messages, pct(seconds, 50) as half, pct(seconds, 95) as most, max(seconds) as longest"
        " by bin(1d)",
    ],
    "what was not delivered": [
        "filter ispresent(message_id)",
        'filter ispresent(error_type) or action = "undeliverable" or action = "uncertain" or action = "rejected"',
        "fields @timestamp, message_id, site, kind, action, error_type, attempts",
        "sort @timestamp desc",
        "limit 100",
    ],
    "what was held as spam": [
        'filter action = "quarantined"',
        "stats count(*) as messages by bin(1d), site",
    ],
    "one message": [
        'filter message_id = "put its id here"',
        "fields @timestamp, site, kind, action, error_type, seconds, attempts",
        "sort @timestamp asc",
    ],
}
"""The commands of each query, by its name."""


def resources(stage: Stage) -> dict[str, Any]:
    """The queries, by their names in the template."""
    return {
        f"Query{''.join(word.capitalize() for word in name.split())}": {
            "Type": "AWS::Logs::QueryDefinition",
            "Properties": {
                "Name": f"{naming.prefix(stage)}/{name}",
                "LogGroupNames": [stage.log_group(function) for function in FUNCTIONS],
                "QueryString": "\n| ".join(commands),
            },
        }
        for name, commands in QUERIES.items()
    }
