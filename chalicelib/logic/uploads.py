"""The files of a form, as far as its site takes them. Loaded for sites that take files alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from chalicelib.errors import Problem
from chalicelib.logic.file_extensions import declared_kind
from chalicelib.logic.file_names import kept_name
from chalicelib.logic.message_files import DeclaredFile
from chalicelib.settings import FileRules

MEGABYTE = 1024 * 1024
MAX_TYPE = 100
"""Most characters of a declared media type that are kept."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One file, and what the message says of it."""

    declared_file: DeclaredFile
    content: bytes


class Uploads:
    """Collects the files of one form."""

    def __init__(self, rules: FileRules) -> None:
        self.files: list[Upload] = []
        self.fields: list[str] = []
        """The names of the file fields, in the order sent, also of those that were left empty."""
        self.too_big_field = ""
        """The file field with which all files together became bigger than the site takes; empty if they are not."""
        self._rules = rules
        self._room = rules.size

    @property
    def max_bytes(self) -> int:
        """Of all files together."""
        return self._rules.size

    @property
    def max_files(self) -> int:
        return self._rules.number

    @property
    def max_megabytes(self) -> int:
        return self._rules.size // MEGABYTE

    def add(self, field: str, name: str, media_type: str, content: bytes) -> Problem | None:
        """Take a file, or say what is wrong with it.

        What it really is ``examine`` finds out; what it claims to be is looked at here, so that a visitor hears of it.
        """
        if field not in self.fields:
            self.fields.append(field)
        if not name and not content:
            # A browser sends a file field that was left empty as a part without a name and without content.
            return None
        self._room -= len(content)
        if self._room < 0:
            self.too_big_field = self.too_big_field or field or "file"
            return None
        if len(self.files) == self._rules.number:
            return Problem("TOO_MANY_FILES", field, self._rules.number)
        claim = declared_kind(name, media_type)
        if claim and claim not in self._rules.kinds:
            return Problem("file_kind", field)
        kept = kept_name(name, len(self.files) + 1)
        declared_type = media_type.partition(";")[0].strip().lower()[:MAX_TYPE]
        declared = DeclaredFile(kept, declared_type, len(content), hashlib.sha256(content).hexdigest())
        self.files.append(Upload(declared, content))
        return None
