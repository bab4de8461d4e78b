"""The table of field names: what docs/forms.md promises is what the code knows, and the reverse."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chalicelib.logic.guessed_field_names import MAX_GUESSED, guess_field
from chalicelib.logic.known_field_names import KNOWN_FIELDS, MEANINGS, SINGLE_LINE, Meaning, Role, meaning_of

PHRASES = {
    "the sender's name": Meaning(Role.FIELD, "name"),
    "the sender's address": Meaning(Role.FIELD, "email"),
    "the text": Meaning(Role.FIELD, "message"),
    "a line of the notification": Meaning(Role.FIELD, "subject"),
    "where it was sent from": Meaning(Role.FIELD, "source"),
    "where the browser goes afterwards": Meaning(Role.NEXT),
    "the language of the answer": Meaning(Role.LANGUAGE),
    "how long it took": Meaning(Role.FILL_TIME),
    "a solved challenge": Meaning(Role.PROOF),
    "honeypots": Meaning(Role.HONEYPOT),
    "a captcha's token": Meaning(Role.CAPTCHA),
    "would choose who hears of it": Meaning(Role.RECIPIENT),
    "settings of other services": Meaning(Role.SETTING),
}
"""How the page begins to say what a name is."""


@pytest.fixture(scope="module")
def documented() -> dict[str, Meaning]:
    text = (Path(__file__).resolve().parents[2] / "docs" / "forms.md").read_text(encoding="utf-8")
    _, _, table = text.partition("| name | what it is | known from |\n")
    found: dict[str, Meaning] = {}
    for row in table.partition("\n\n")[0].splitlines()[1:]:
        _, names, what, *_ = row.split("|")
        [it] = [known for words, known in PHRASES.items() if what.strip().startswith(words)]
        for name in re.findall(r"`([^`]+)`", names):
            assert name not in found, f"{name} stands twice"
            found[name] = it
    return found


def test_every_name_of_the_documentation_means_what_it_says(documented: dict[str, Meaning]) -> None:
    assert {name: MEANINGS.get(name) for name in documented} == documented


def test_every_name_that_the_code_knows_is_documented(documented: dict[str, Meaning]) -> None:
    assert set(MEANINGS) - set(documented) == set()


@pytest.mark.parametrize("name", MEANINGS)
def test_a_name_in_capitals_means_the_same(name: str) -> None:
    assert meaning_of(name.upper()) == meaning_of(name.title()) == meaning_of(name)


@pytest.mark.parametrize("name", [*KNOWN_FIELDS, "phone", "", "names", "__class__", "Größe", "id", "site", "version"])
def test_a_field_and_any_other_name_is_a_part_of_the_message_under_that_name(name: str) -> None:
    assert meaning_of(name) == Meaning(Role.FIELD, name)


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        *((name, Meaning(Role.FIELD, field)) for name, field in (("Nachricht", "message"), ("your-email", "email"))),
        *((name, Meaning(Role.SETTING)) for name in ("action", "csrf_token", "submit")),
    ],
)
def test_an_undocumented_name_means_what_it_says_and_a_forms_machinery_nothing(name: str, meaning: Meaning) -> None:
    assert meaning_of(name) == meaning


@pytest.mark.parametrize(
    ("end", "meaning"), [("message", Meaning(Role.FIELD, "message")), ("submit", Meaning(Role.SETTING))]
)
def test_a_name_that_is_longer_than_any_forms_is_not_guessed(end: str, meaning: Meaning) -> None:
    name = end.rjust(MAX_GUESSED, "-")
    assert meaning_of(name) == meaning
    assert meaning_of(f"-{name}") == Meaning(Role.FIELD, f"-{name}")
    assert guess_field(f"-{name}") is None


def test_only_parts_of_the_message_have_a_name_of_their_own() -> None:
    for name, it in MEANINGS.items():
        assert (it.field in KNOWN_FIELDS) if it.role is Role.FIELD else it.field == "", name


def test_the_message_alone_has_more_than_one_line() -> None:
    assert set(KNOWN_FIELDS) - set(SINGLE_LINE) == {"message"}
