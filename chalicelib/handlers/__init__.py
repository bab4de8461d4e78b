"""Handlers translate an event into one call of the logic, and its result back.

``handlers.contact`` and the others are imported when they are first used, so that a function loads only its own.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from chalicelib.handlers import autoreply as autoreply
    from chalicelib.handlers import canary as canary
    from chalicelib.handlers import contact as contact
    from chalicelib.handlers import destined as destined
    from chalicelib.handlers import digest as digest
    from chalicelib.handlers import examine as examine
    from chalicelib.handlers import get_message_url as get_message_url
    from chalicelib.handlers import inbox as inbox
    from chalicelib.handlers import notify as notify
    from chalicelib.handlers import on_failure as on_failure
    from chalicelib.handlers import on_success as on_success
    from chalicelib.handlers import openapi as openapi
    from chalicelib.handlers import retry_due as retry_due
    from chalicelib.handlers import stored_messages as stored_messages

_HANDLER_OF = {
    "app": "contact",
    "destined": "destined",
    "get_message": "stored_messages",
    "list_messages": "stored_messages",
    "get_message_url": "get_message_url",
    "retry_due": "retry_due",
    "canary": "canary",
    "digest": "digest",
    "examine": "examine",
    "autoreply": "autoreply",
    "inbox": "inbox",
    "on_success": "on_success",
    "on_failure": "on_failure",
}
_NOT_BY_NAME = ("notify", "openapi")
"""``notify`` is the handler of each ``notify_<kind>``; the document is seldom requested, so nothing preloads it."""


def __getattr__(name: str) -> ModuleType:
    if name in _HANDLER_OF.values() or name in _NOT_BY_NAME:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def preload(entry_point: str) -> None:
    """Import a function's handler and make its clients, while the function starts and not in its first request.

    ``entry_point`` is Lambda's variable ``_HANDLER``, such as ``app.destined``. Anything else loads nothing.
    """
    function = entry_point.removeprefix("app.")
    module = "notify" if function.startswith("notify_") else _HANDLER_OF.get(function)
    if module and entry_point.startswith("app."):
        import_module(f"{__name__}.{module}").prepare(function)
