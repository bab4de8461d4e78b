"""Describe a Chalice app as data, and rebuild an app from such a description without running its code.

A rollback deploys a release that was kept, and must not run code from a bucket on the operator's machine:
docs/decisions/0037-a-rollback-runs-no-code-of-its-release.md. Chalice's process imports this module beside the code
that it deploys, so it imports nothing else of Herald.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from chalice import app

_EVENTS = (
    app.CloudWatchEventConfig,
    app.DynamoDBEventConfig,
    app.KinesisEventConfig,
    app.S3EventConfig,
    app.ScheduledEventConfig,
    app.SNSEventConfig,
    app.SQSEventConfig,
)


def described(chalice: app.Chalice) -> dict[str, Any]:
    """Everything that Chalice reads from an app to deploy it; ``{"code": reason}`` where data can't describe it."""
    routes = [route for methods in chalice.routes.values() for route in methods.values()]
    if chalice.websocket_handlers or chalice.builtin_auth_handlers or any(each.authorizer for each in routes):
        return {"code": "it has authorizers or WebSockets"}
    return {
        "name": chalice.app_name,
        "binary_types": chalice.api.binary_types,
        "routes": [
            {
                "path": each.uri_pattern,
                "method": each.method,
                "view_name": each.view_name,
                "doc": inspect.getdoc(each.view_function),
                "api_key_required": each.api_key_required,
                "content_types": each.content_types,
                "cors": each.cors and {name.lstrip("_"): _listed(value) for name, value in vars(each.cors).items()},
            }
            for each in routes
        ],
        "functions": [
            {"name": each.name, "handler_string": each.handler_string} for each in chalice.pure_lambda_functions
        ],
        "events": [
            {"kind": type(each).__name__, **{name: _listed(value) for name, value in vars(each).items()}}
            for each in chalice.event_sources
        ],
    }


def _listed(value: Any) -> Any:
    """The value in a form that JSON can hold."""
    if isinstance(value, app.ScheduleExpression):
        return value.to_string()
    return sorted(value) if isinstance(value, set) else value


def rebuilt(description: dict[str, Any]) -> app.Chalice:
    """An app without code that Chalice deploys exactly like the one that was :func:`described`."""
    chalice = app.Chalice(app_name=description["name"], configure_logs=False)
    chalice.api.binary_types = description["binary_types"]
    for route in description["routes"]:

        def view() -> None: ...

        view.__doc__ = route.pop("doc")
        cors = route.pop("cors")
        entry = app.RouteEntry(view, **route, cors=app.CORSConfig(**cors) if cors else None)
        chalice.routes[entry.uri_pattern][entry.method] = entry
    chalice.pure_lambda_functions += [
        app.LambdaFunction(lambda event, context: None, **each) for each in description["functions"]
    ]
    kinds = {kind.__name__: kind for kind in _EVENTS}
    chalice.event_sources += [kinds[each.pop("kind")](**each) for each in description["events"]]
    return chalice


def description_file(stage: str) -> Path:
    """The file below a project that holds the description of the app as it was deployed to a stage."""
    return Path(f".chalice/deployments/app-{stage}.json")
