"""Compare the functions that ``app.py`` registers with those that the manifest declares.

Chalice's process imports this module beside the code that it deploys, so it imports nothing else of Herald.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

_PLACES = "chalicelib/functions.py, or own_functions.py and `functions` of the stage in herald.toml"
_DECORATORS = {"http": "route", "topic": "on_sns_message", "schedule": "schedule"}
"""The decorators for triggers that Chalice makes; all others want ``lambda_function``."""


def registered(app: Any) -> dict[str, str]:
    """The functions that a Chalice app registers, with the decorators; its routes are one function, ``api_handler``."""
    events = {
        "ScheduledEventConfig": "schedule",
        "SNSEventConfig": "on_sns_message",
        "S3EventConfig": "on_s3_event",
        "SQSEventConfig": "on_sqs_message",
        "KinesisEventConfig": "on_kinesis_record",
        "DynamoDBEventConfig": "on_dynamodb_record",
        "CloudWatchEventConfig": "on_cw_event",
    }
    return {
        **{each.name: events[type(each).__name__] for each in app.event_sources},
        **{each.name: "lambda_function" for each in app.pure_lambda_functions},
        **({"api_handler": "route"} if app.routes else {}),
    }


def undeclared(registered: Collection[str], declared: Collection[str]) -> list[str]:
    """A sentence for each function that only one of ``app.py`` and the manifest has."""
    there, wanted = set(registered), set(declared)
    return [
        *(f"app.py registers {name}, which the manifest lacks: {_PLACES}" for name in sorted(there - wanted)),
        *(f"the manifest declares {name}, which app.py lacks" for name in sorted(wanted - there)),
    ]


def otherwise(registered: Mapping[str, str], kinds: Mapping[str, str]) -> list[str]:
    """A sentence for each function whose decorator is not that of the kind of its trigger, which is given by name."""
    pairs = (
        (name, registered.get(name, ""), kind, _DECORATORS.get(kind, "lambda_function")) for name, kind in kinds.items()
    )
    return [
        f"app.py registers {name} with @app.{found}, and its trigger {kind!r} in the manifest wants @app.{wanted}"
        for name, found, kind, wanted in pairs
        if name in registered and found != wanted
    ]
