"""The table ``[sites.<name>.autoreply]`` of ``herald.toml``: the answer by mail that a site's visitors get."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from chalicelib.logic.autoreply import PLACEHOLDERS
from chalicelib.logic.placeholders import names_in
from chalicelib.logic.ses_addresses import address, covers, identity, sender
from chalicelib.settings import Autoreply
from ops.config.table import Table

MAX_LINE = 900
"""Bytes of a line: SMTP takes 998 (RFC 5322, 2.1.1), and placeholders become longer."""


def _sender(value: str) -> str:
    sender(value)
    return value


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("must be a text")
    if unknown := set(names_in(value)) - set(PLACEHOLDERS):
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise ValueError(f"{{{min(unknown)}}} is no placeholder; there are {known}, and none for what a visitor wrote")
    if any(len(line.encode()) > MAX_LINE for line in value.splitlines()):
        raise ValueError(f"has a line of over {MAX_LINE} bytes; break it")
    return value


def _subject(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be one line of text")
    return _text(value)


class TextTable(Table):
    subject: Annotated[str, Field(max_length=150), AfterValidator(_subject)]
    text: Annotated[str, Field(max_length=5_000), AfterValidator(_text)]


class AutoreplyTable(Table):
    from_: Annotated[str, AfterValidator(_sender)] = Field(alias="from")
    reply_to: Annotated[str, AfterValidator(address)] | None = None
    identities: list[Annotated[str, AfterValidator(identity)]] = Field(default=[], validate_default=True)
    configuration_set: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,64}$")
    per_address: int = Field(default=1, ge=1, le=10)
    per_hour: int = Field(default=20, ge=1, le=1_000)
    texts: dict[str, TextTable] = Field(min_length=1)

    @field_validator("identities")
    @classmethod
    def _own_the_sender(cls, value: list[str], info: ValidationInfo) -> list[str]:
        if "from_" not in info.data:
            return value  # That mistake is reported itself.
        own = sender(info.data["from_"]).address
        found = value or [own.rpartition("@")[2]]
        if not any(covers(name, own) for name in found):
            raise ValueError(f"one of them must be {own}, its domain or a parent domain")
        return found

    def mistakes(self, language: str) -> Iterator[tuple[tuple[str, ...], str]]:
        """What is wrong across keys, each below the table; ``language`` is the site's own."""
        for name in self.texts:
            if not re.fullmatch(r"[a-z]{2,3}", name):
                yield ("texts", name), "a language is named by its code of two or three letters alone, such as it"
        if language not in self.texts:
            yield ("texts", language), "missing; it is the site's language, for visitors who wish for no other one"

    def compiled(self) -> Autoreply:
        own = sender(self.from_)
        return Autoreply(
            from_header=own.header,
            from_address=own.address,
            reply_to=self.reply_to or "",
            identities=tuple(self.identities),
            configuration_set=self.configuration_set or "",
            per_address=self.per_address,
            per_hour=self.per_hour,
            texts={name: (each.subject, each.text) for name, each in self.texts.items()},
        )
