"""What the scripts of other services take for success: by what a form sends, what its answer has besides Herald's own.

Sources: @formspree/core (Formspree), https://docs.web3forms.com/how-to-guides/html-and-javascript
(Web3Forms), https://formsubmit.co/ajax-documentation (FormSubmit, whose ``success`` is a text).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chalicelib.logic.bodies import Pairs

FORMSPREE_PATH = "/f/"


@dataclass(frozen=True, slots=True)
class Family:
    """The scripts of one service. All of them test for status 200."""

    name: str
    fields: tuple[str, ...]
    """By any of these, in lower case, a form of the service is known."""
    accepted: Callable[[str], Mapping[str, object]]
    """What the answer has besides, made of the sentence for people."""
    refused: Callable[[str], Mapping[str, object]]
    path: str = ""
    """How the address begins that such forms are sent to."""


FAMILIES = (
    Family("Formspree", (), lambda text: {"ok": True}, lambda text: {"error": text}, FORMSPREE_PATH),
    Family(
        "Web3Forms",
        ("access_key", "apikey"),
        lambda text: {"success": True, "message": text},
        lambda text: {"success": False, "message": text},
    ),
    Family(
        "FormSubmit",
        ("_captcha", "_template", "_honey", "_blacklist", "_autoresponse"),
        lambda text: {"success": "true", "message": text},
        lambda text: {"success": "false", "message": text},
    ),
)


def families_of(path: str, pairs: Pairs) -> list[Family]:
    """The services that a form was written for: none for most forms, and two where it says so."""
    names = {name.lower() for name, _ in pairs}
    return [
        family
        for family in FAMILIES
        if not names.isdisjoint(family.fields) or (family.path and path.startswith(family.path))
    ]
