"""The base of every table of ``herald.toml``."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator


class Table(BaseModel):
    """A table that accepts the keys that it declares and no other, converts no types, and lists nothing twice."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @field_validator("*")
    @classmethod
    def _lists_nothing_twice(cls, value: Any) -> Any:
        if isinstance(value, list):
            for number, item in enumerate(value):
                if item in value[:number]:
                    raise ValueError(f"names {item!r} twice")
        return value
