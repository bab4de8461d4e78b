"""The files of a message: where the bucket has them, and what is known of each.

The API function puts a file below ``new/``, which the bucket's own rule empties within a day. ``destined`` copies those
of a message that it has stored to ``files/``, where they stay as long as the message, and has ``examine`` look at them.
What others put below ``incoming/`` is examined too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from chalicelib.logic.message import Message

NEW_PREFIX, KEPT_PREFIX, INCOMING_PREFIX = "new/", "files/", "incoming/"
"""What the keys of the bucket begin with."""
MAX_FILES = 10
"""The most files of a message that a site may take."""


@dataclass(frozen=True, slots=True)
class DeclaredFile:
    """What a message says of a file that came with it. Name and type are a visitor's words."""

    name: str
    media_type: str
    size: int
    """Bytes."""
    sha256: str

    def as_json(self) -> dict[str, object]:
        return {"name": self.name, "type": self.media_type, "size": self.size, "sha256": self.sha256}

    @classmethod
    def from_json(cls, found: Mapping[str, object]) -> DeclaredFile:
        return cls(str(found["name"]), str(found["type"]), int(str(found["size"])), str(found["sha256"]))


class FileMark(StrEnum):
    """Why a file is not attached to a notification."""

    KIND_NOT_TAKEN = "kind_not_taken"
    """The site takes no files of the kind that it is by its bytes."""
    NOT_WHAT_IT_SAYS = "not_what_it_says"
    """Its name or type says another kind than its bytes."""
    EMPTY = "empty"
    MISSING = "missing"
    """It is not in the bucket (any more)."""
    UNEXAMINED = "unexamined"
    """``examine`` failed, or was not run."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What ``examine`` found out about a file."""

    kind: str = ""
    """A kind of ``file_extensions.py``, ``markup`` or ``other``; empty where it is not known."""
    media_type: str = ""
    """By its bytes."""
    mark: FileMark | None = None
    exif: Mapping[str, str] = field(default_factory=dict)
    """An image's EXIF data by their normalised names: ``file_examination.exif_of``."""
    broken_exif: bool = False
    """Whether there are EXIF data that could not be read, or not within the limits."""

    def as_json(self) -> dict[str, object]:
        """Return the object that ``examine`` answers and stores: without what says nothing."""
        return {
            "kind": self.kind,
            "type": self.media_type,
            **({"mark": str(self.mark)} if self.mark else {}),
            **({"exif": dict(self.exif)} if self.exif else {}),
            **({"broken_exif": 1} if self.broken_exif else {}),
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any] | None) -> FileFacts:
        """Read what :meth:`as_json` returned; what is not there yet is unexamined."""
        if not found:
            return cls(mark=FileMark.UNEXAMINED)
        exif = {str(name): str(text) for name, text in found.get("exif", {}).items()}
        mark = FileMark(found["mark"]) if "mark" in found else None
        return cls(str(found["kind"]), str(found["type"]), mark, exif, bool(found.get("broken_exif")))


@dataclass(frozen=True, slots=True)
class MessageFile:
    """A file of a message, examined."""

    declared_file: DeclaredFile
    facts: FileFacts

    def as_json(self) -> dict[str, object]:
        """Return the object of the contracts. It has every key, with null for what is absent."""
        facts = self.facts
        return {
            "name": self.declared_file.name,
            "size": self.declared_file.size,
            "sha256": self.declared_file.sha256,
            "declared_type": self.declared_file.media_type,
            "kind": facts.kind or None,
            "type": facts.media_type or None,
            "mark": str(facts.mark) if facts.mark else None,
            "exif": dict(facts.exif),
        }


class FileKeeper(Protocol):
    """Keeps the files of messages and has them examined."""

    def keep(self, message: Message) -> None:
        """Keep the files of a stored message; again without an effect. Raises
        :class:`~chalicelib.errors.FilesError`."""

    def examine(self, message: Message) -> Sequence[FileFacts]:
        """What each file is, in their order; ``unexamined`` where that can't be found out now."""


def key_of(prefix: str, site: str, message_id: str, number: int) -> str:
    """The key of a message's file; ``number`` counts from 1."""
    return f"{prefix}{site}/{message_id}/{number}"


def place_of_key(key: str) -> tuple[str, str, str]:
    """Where what is found out about an object is stored: its site (or empty), and the item's id and attribute."""
    if key.startswith(KEPT_PREFIX):
        site, _, rest = key.removeprefix(KEPT_PREFIX).partition("/")
        message_id, _, number = rest.rpartition("/")
        if site and message_id and number.isdigit():
            return site, facts_key(message_id), f"file{number}"
    return "", facts_key(key), "file1"


def site_of_key(key: str) -> str:
    """The site whose message the file of this key came with; empty where the key tells of none."""
    return place_of_key(key)[0]


def facts_key(message_id: str) -> str:
    """The id of the item that holds what is known of a message's files."""
    return f"files#{message_id}"


def facts_of(item: Mapping[str, Any], number: int) -> FileFacts:
    """What an item says of the file of this number."""
    return FileFacts.from_json(item.get(f"file{number}"))


def files_with_facts(message: Message, facts: Sequence[FileFacts] | None) -> tuple[MessageFile, ...]:
    """A message's files with the facts about each, in their order; None where ``examine`` was not run."""
    if facts is None:
        facts = [FileFacts(mark=FileMark.UNEXAMINED)] * len(message.files)
    return tuple(MessageFile(*each) for each in zip(message.files, facts, strict=True))


_WHY = {
    FileMark.KIND_NOT_TAKEN: "not of a kind that the site takes",
    FileMark.NOT_WHAT_IT_SAYS: "not what its name says",
    FileMark.EMPTY: "empty",
    FileMark.MISSING: "lost: it was not in the bucket",
    FileMark.UNEXAMINED: "not examined",
}


def described(file: MessageFile) -> str:
    """What a file is, for a notification or a terminal, such as ``image, 2.1 MB``."""
    kind, mark = file.facts.kind, file.facts.mark
    parts = [kind, shown_size(file.declared_file.size), _WHY[mark] if mark else ""]
    return ", ".join(part for part in parts if part)


def shown_size(size: int) -> str:
    """A size for people, such as ``2.1 MB``."""
    if size < 1000:
        return f"{size} bytes"
    return f"{size / 1000:.0f} kB" if size < 999_500 else f"{size / 1_000_000:.1f} MB"
