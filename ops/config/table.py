"""The base of every table of ``herald.toml``."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """A table that accepts the keys that it declares and no other, and converts no types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
