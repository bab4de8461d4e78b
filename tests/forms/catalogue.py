"""The forms of ``*.toml``, one file for each family: README.md says what their keys mean."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests import fakes

HERE = Path(__file__).parent
TYPED = {
    "name": "Ada Lovelace",
    "email": "ada@example.com",
    "subject": "A chair",
    "message": "It creaks.\nZwölf Stühle, 一つ",
}
"""What the visitor types, by what it is."""
TYPED["text"] = TYPED["message"]
"""A message in a control whose name tells nothing: it is delivered under that name."""
LONGEST = 500
"""Characters of a message that the site takes; whoever sends more is refused."""
LARGEST = 1024
"""The same for any other field, in bytes."""


@dataclass(frozen=True)
class Form:
    """One form as somebody published it, or its script."""

    family: str
    name: str
    source: str
    """Where its structure was read: ``repository@commit: path`` or ``package@version``."""
    html: str
    fill: Mapping[str, str]
    """The control (its name, or ``#id``) in which the visitor types each of ``TYPED``."""
    other: Mapping[str, str] = field(default_factory=dict)
    """What else is typed or chosen, by the control; where that is given by its name, it arrives under it."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """What the owner receives besides, or instead: hidden fields, boxes that are ticked already."""
    accepted: str = ""
    """What the form's own script tells the visitor; without it the form has none."""
    refused: str = ""
    """The same when the message is too long; empty where the script does not look at the answer."""
    address: str = "/contact"

    @property
    def too_long(self) -> str:
        """What Herald says of a message that is too long."""
        if "text" in self.fill:
            return f"At most {LARGEST // 1024} KiB"
        return f"At most {LONGEST if 'message' in self.fill else fakes.LONGEST['subject']} characters"

    @property
    def long_control(self) -> str:
        """The control of the message."""
        return self.fill.get("message") or self.fill.get("text") or self.fill["subject"]

    @property
    def works_without_script(self) -> bool:
        return 'action="{action}"' in self.html and not self.long_control.startswith("#")

    @property
    def message(self) -> str:
        """What the visitor writes; on one line where the control has no more."""
        return (
            self.extra.get("message")
            or TYPED["subject" if self.long_control == self.fill.get("subject") else "message"]
        )

    def typed(self, message: str) -> dict[str, str]:
        """What the visitor types, by control."""
        typed = {control: TYPED[role] for role, control in self.fill.items()}
        return typed | {self.long_control: message} | {**self.other}

    def received(self) -> dict[str, str]:
        """The fields that the owner must receive."""
        return {
            **{control if role == "text" else role: TYPED[role] for role, control in self.fill.items()},
            **{control: text for control, text in self.other.items() if control[0] != "#"},
            **self.extra,
        }


def forms() -> list[Form]:
    return [
        Form(path.stem, **each)
        for path in sorted(HERE.glob("*.toml"))
        for each in tomllib.loads(path.read_text(encoding="utf-8"))["form"]
    ]
