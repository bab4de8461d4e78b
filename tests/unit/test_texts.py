"""Texts in every language, for every code; and which language is chosen."""

from __future__ import annotations

import ast
import string
from functools import cache
from pathlib import Path

import pytest

from chalicelib.texts import FALLBACK, LANGUAGES, choose, direction, texts

CHALICELIB = Path(__file__).resolve().parents[2] / "chalicelib"
CODES = {"SubmissionError": 1, "Problem": 0, "_malformed": 0}
"""Which argument of a call is a key of the texts."""


def keys_in(source: str) -> set[str]:
    """Every key of the texts that a module uses: codes of errors, and what it looks up itself."""
    found: set[str] = set()
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (place := CODES.get(ast.unparse(node.func))) is not None:
            found |= set().union(*map(_strings, node.args[place : place + 1]))
        elif isinstance(node, ast.Assign) and [ast.unparse(each) for each in node.targets] == ["code"]:
            found |= _strings(node.value)
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) in ("texts", "words"):
            found |= _strings(node.slice)
    return found


def _strings(expression: ast.expr) -> set[str]:
    if isinstance(expression, ast.IfExp):
        return _strings(expression.body) | _strings(expression.orelse)
    return {expression.value} if isinstance(expression, ast.Constant) and isinstance(expression.value, str) else set()


@cache
def used() -> set[str]:
    paths = (path for folder in ("logic", "handlers") for path in (CHALICELIB / folder).glob("*.py"))
    return set().union(*(keys_in(path.read_text(encoding="utf-8")) for path in paths))


def test_the_search_finds_what_it_should() -> None:
    assert keys_in('raise SubmissionError(413, "a", Problem("b", "body"))') == {"a", "b"}
    assert keys_in('code = "a" if x else "b"\n_malformed("c")\ntexts["d"]\nwords[error.code]') == {"a", "b", "c", "d"}
    assert {"invalid", "FORM_NOT_FOUND", "REQUIRED_FIELD_EMPTY", "TYPE_EMAIL", "not_json", "page_title"} <= used()
    assert len(used()) > 25


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_that_is_used_has_its_words(language: str) -> None:
    assert used() - set(texts(language)) == set()


def test_every_text_of_a_problem_is_used() -> None:
    """Labels of fields and words that only people's eyes find in the code apart."""
    labels = {"name", "email", "subject", "message", "description", "_replyto", "replyto", "_subject"}
    assert set(texts(FALLBACK)) - used() - labels == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_exactly_the_same_keys_in_the_same_order(language: str) -> None:
    assert list(texts(language)) == list(texts(FALLBACK))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_says_something_and_holds_the_numbers_of_every_other_language(language: str) -> None:
    def numbers(text: str) -> list[str]:
        return [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]

    for key, text in texts(language).items():
        assert text.strip() == text != "", key
        assert numbers(text) == numbers(texts(FALLBACK)[key]), key
        known = {"site"} if key == "page_back" else {"count", "since"} if key.startswith("summary_") else {"limit"}
        assert set(numbers(text)) <= known, key
        assert "\n" not in text, key


def test_every_file_of_texts_is_a_language_and_the_reverse() -> None:
    files = {path.stem for path in (CHALICELIB / "texts").glob("*.py")} - {"__init__"}
    assert files == set(LANGUAGES)
    assert FALLBACK in LANGUAGES


@pytest.mark.parametrize(("wanted", "accept", "of_site", "language"), [
    ("", "", "", "en"), ("", "", "de", "de"), ("", "", "it", "en"), ("de", "en", "en", "de"), ("DE", "", "en", "de"),
    ("de-AT", "", "en", "de"), (" de ", "", "en", "de"), ("it", "de", "en", "de"), ("it", "it", "de", "de"),
    ("es-MX", "", "en", "es"), ("", "fr-CA, de", "en", "fr"), ("x" * 100_000, "", "de", "de"),
    ("../en", "", "de", "de"), ("__init__", "", "de", "de"), ("\ud800", "", "de", "de"), ("", "de", "en", "de"),
    ("", "de-CH, de;q=0.9, en;q=0.8", "en", "de"), ("", "en;q=0.8, de;q=0.9", "en", "de"),
    ("", "en;q=0.8,de;q=0.8", "de", "en"), ("", "en ; q=0.1 , de ; q=0.2", "en", "de"),
    ("", "it, de;q=0.1", "en", "de"), ("", "en;q=0, de;q=0.001", "en", "de"), ("", "de;q=0", "en", "en"),
    ("", "en;q=0.5, de;q=1.0", "en", "de"), ("", "en;q=0.5, de", "en", "de"), ("", "*", "de", "de"),
    ("", "*;q=0.5, de;q=0.1", "en", "de"),
    # Garbage
    ("", ",,;;==", "de", "de"), ("", "q=1", "de", "de"), ("", ";q=1", "de", "de"), ("", "en;q=", "de", "de"),
    ("", "en;q=x", "de", "de"), ("", "en;q=-1", "de", "de"), ("", "en;q=nan", "de", "de"),
    ("", "en;q=-inf", "de", "de"), ("", "en;q=0x1", "de", "de"), ("", "en;q=1;q=2", "de", "de"),
    ("", "en_US", "de", "de"), ("", "english", "de", "de"), ("", "\x00\ud800", "de", "de"),
    ("", "en;q=" + "9" * 5000, "de", "en"), ("", "x," * 50_000 + "en", "de", "de"), ("", "x" * 1_000_000, "de", "de"),
])  # fmt: skip
def test_the_forms_wish_counts_then_the_browsers_then_the_sites(
    wanted: str, accept: str, of_site: str, language: str
) -> None:
    assert choose(wanted, accept, of_site) == language


@pytest.mark.parametrize(
    ("wanted", "accept", "of_site", "language"),
    [("it-CH", "", "en", "it"), ("", "it, de;q=0.5", "en", "it"), ("", "", "it", "it"), ("nds", "", "it", "it")],
)
def test_a_language_that_only_the_site_has_is_chosen_like_any_other(
    wanted: str, accept: str, of_site: str, language: str
) -> None:
    assert choose(wanted, accept, of_site, {"it": {}}) == language


def test_a_sites_own_words_come_in_place_of_heralds() -> None:
    own = {"de": {"accepted": "Angekommen!"}, "it": {"accepted": "Grazie!"}}
    assert texts("de", own) == {**texts("de"), "accepted": "Angekommen!"}
    assert texts("en", own) == texts("en")
    assert texts("it", own) == {**texts("en"), "accepted": "Grazie!"}, "what its owner reads may be English"


@pytest.mark.parametrize(
    ("language", "expected"),
    [*((each, "ltr") for each in LANGUAGES), ("ar", "rtl"), ("he", "rtl"), ("fa", "rtl"), ("ur", "rtl")],
)
def test_a_language_is_written_from_this_side(language: str, expected: str) -> None:
    assert direction(language) == expected
