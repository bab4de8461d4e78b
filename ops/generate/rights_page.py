"""The tables of docs/rights.md for deploying, comparing and destroying: the actions of the pipeline's roles, and more.

``<stage>`` and the like stand for what only the reader knows. The roles' conditions are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from chalicelib.function_spec import FunctionSpec, Trigger
from chalicelib.settings import Limits, Stage
from ops.config.schema import DomainTable
from ops.generate.channel_pages import filled, table
from ops.templates import pipeline_roles
from ops.templates.pipeline_roles import Statement

PAGE = Path("docs/rights.md")
_SOURCES = ("s3", "sqs", "sns", "dynamodb", "kinesis")
"""The kinds of triggers whose source is the owner's."""
_FUNCTIONS = tuple(FunctionSpec(kind, Trigger(kind, source="{source}"), memory=128, timeout=1) for kind in _SOURCES)
_STAGE = Stage("<stage>", {}, {}, Limits(0, 0, 0), values={"source": "<source>"})
_DOMAIN = DomainTable.model_construct(name="<domain>", certificate=None, hosted_zone="<zone>")


def pages() -> dict[Path, str]:
    """The page with its tables made anew."""
    with_triggers = _STAGE._replace(functions=_SOURCES)
    tables = {
        "deploying": pipeline_roles.deploying(_STAGE),
        "deploying_more": pipeline_roles.deploying_more(with_triggers, _DOMAIN, _FUNCTIONS),
        "destroying": pipeline_roles.destroying(_STAGE),
        "comparing": pipeline_roles.comparing(with_triggers, _FUNCTIONS),
    }
    return {PAGE: filled(PAGE, {name: table(("actions", "on"), _rows(found)) for name, found in tables.items()})}


def _rows(statements: Iterable[Statement]) -> Iterator[tuple[str, str]]:
    for statement in statements:
        services: dict[str, list[str]] = {}
        for action in statement["Action"]:
            service, _, name = action.partition(":")
            services.setdefault(service, []).append(name)
        actions = "; ".join(f"`{service}`: {', '.join(names)}" for service, names in services.items())
        yield actions, ", ".join(f"`{_shown(arn)}`" for arn in statement["Resource"])


def _shown(arn: str) -> str:
    """What an ARN ends in, after partition, service, region and account."""
    for parameter, name in (("Partition", "partition"), ("Region", "region"), ("AccountId", "account")):
        arn = arn.replace(f"${{AWS::{parameter}}}", f"<{name}>")
    return arn.split(":", 5)[-1]
