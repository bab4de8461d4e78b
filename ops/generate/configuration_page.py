"""The tables of docs/configuration.md: the keys of ``herald.toml`` as the models of ``ops/config/`` declare them.

What is allowed begins with the bounds, which the model has, and goes on with the key's docstring; a default that is no
value stands there behind "Unless set".
"""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from ops.config import channels, rules_subscribers_grants, schema
from ops.config.table import Table
from ops.generate.channel_pages import filled, table

PAGE = Path("docs/configuration.md")
TABLES: dict[str, type[Table]] = {
    "site": schema.SiteTable,
    "spam": schema.SpamTable,
    "files": schema.FilesTable,
    "limits": schema.LimitsTable,
    "delivery": schema.DeliveryTable,
    "alarms": schema.AlarmsTable,
    "canary": schema.CanaryTable,
    "rule": rules_subscribers_grants.RuleTable,
    "subscriber": rules_subscribers_grants.SubscriberTable,
    "grant": rules_subscribers_grants.GrantTable,
    "digest": schema.DigestTable,
    "notifications": schema.NotificationsTable,
    "channel": channels.ChannelTable,
    "stage": schema.StageOptions,
}
"""By the name of their place on the page."""
_UNLESS_SET = re.compile(r"\s*Unless set, (.+)\.$", re.DOTALL)


def pages() -> dict[Path, str]:
    """The page with its tables made anew."""
    heads = ("key", "default", "allowed")
    return {PAGE: filled(PAGE, {name: table(heads, _rows(model)) for name, model in TABLES.items()})}


def _rows(model: type[Table], within: str = "") -> Iterator[tuple[str, str, str]]:
    docstrings = _docstrings(model)
    for name, field in model.model_fields.items():
        below = next(
            (each for each in _types(field.annotation) if isinstance(each, type) and issubclass(each, Table)), None
        )
        if below and name not in docstrings:
            yield from _rows(below, f"{within}{name}.")
            continue
        doc = " ".join(docstrings.get(name, "").split())
        unless = _UNLESS_SET.search(doc)
        doc = _UNLESS_SET.sub("", doc).rstrip(".")
        allowed = ". ".join(part for part in (_bounds(field), doc) if part)
        yield f"`{within}{name}`", unless[1] if unless else _default(field), allowed


def _docstrings(model: type[Table]) -> dict[str, str]:
    """The docstrings of a model's keys, by key.

    Pydantic could read them, but would do it in every command, for a tenth of its time.
    """
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        found |= _declared(each) if issubclass(each, Table) else {}
    return found


@cache
def _declared(model: type[Table]) -> dict[str, str]:
    """The docstrings of the keys that a model declares itself."""
    (declared,) = ast.parse(inspect.getsource(model)).body
    found = {}
    for field, docstring in pairwise(declared.body if isinstance(declared, ast.ClassDef) else ()):
        match field, docstring:
            case ast.AnnAssign(target=ast.Name(id=key)), ast.Expr(value=ast.Constant(value=str(text))):
                found[key] = text
    return found


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "–" if field.default is None else f"`{json.dumps(field.default)}`"


def _bounds(field: FieldInfo) -> str:
    """The numbers or the words that the model takes."""
    limits = {name: getattr(each, name) for each in field.metadata for name in ("ge", "le") if hasattr(each, name)}
    if limits.keys() >= {"ge", "le"}:
        return f"{limits['ge']:,} to {limits['le']:,}"
    values = [value for each in _types(field.annotation) if get_origin(each) is Literal for value in get_args(each)]
    return ", ".join(f"`{json.dumps(value)}`" for value in values)


def _types(annotation: Any) -> Iterator[Any]:
    """An annotation and all that it is made of."""
    yield annotation
    if get_origin(annotation) is not Literal:
        for part in get_args(annotation):
            yield from _types(part)
