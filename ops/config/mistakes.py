"""Word the mistakes in ``herald.toml``: what was found, what is right, and what was probably meant."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from chalicelib.logic.allowed_origins import origin_of
from ops.errors import OpsError

_SECRET = re.compile(r"(?i)(.*(token|secret|passw|credential|webhook|api_?key|access_?key|user_?key).*|user|key)")
"""Keys under which people write secrets, which must not be in the file."""
_BARE = re.compile(r"[^\s,\[\]\"']+")
_NUMBER = re.compile(r"[+-]?[0-9][0-9_.,]*")


def nearest(word: str, words: Iterable[str]) -> str:
    """The word that was probably meant; empty where none is similar."""
    there = {each.lower(): each for each in words}
    return there[near[0]] if (near := get_close_matches(word.strip().lower(), there, 1)) else ""


def decoded(data: bytes, file: str) -> str:
    """The text of a file; raises :class:`OpsError` for a file that is not plain UTF-8, or has line ends of old Macs."""
    for mark, name in ((codecs.BOM_UTF8, "UTF-8"), (codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16")):
        if data.startswith(mark):
            raise OpsError(
                f"{file} is not valid TOML: it begins with a byte-order mark ({name}); save it as UTF-8 without BOM"
            )
    if found := re.search(rb"\r(?!\n)", data):
        line = data.count(b"\n", 0, found.start()) + 1
        raise OpsError(
            f"{file} is not valid TOML, line {line}: a line end that is CR alone; "
            "save it with line ends of Unix (LF) or Windows (CRLF)"
        )
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise OpsError(
            f"{file} is not valid TOML, line {line}: a character that is not UTF-8; save it as UTF-8"
        ) from None


def syntax(text: str, error: ValueError) -> str:
    """The line where a file is not valid TOML, and what to write there."""
    words, _, place = str(error).partition(" (at ")
    found = re.match(r"line ([0-9]+)", place)
    lines = text.split("\n")
    number = int(found[1]) if found else len(lines)
    return f"line {number}: {_hint(lines[number - 1].strip(), words) or words}" if place else f"as it has {words}"


def _hint(line: str, words: str) -> str:
    """What to write in place of a line that the parser refuses; empty where that can't be guessed."""
    key, equals, value = (part.strip() for part in line.partition("="))
    value = value.partition(" #")[0].strip()
    outside = re.sub(r"\"[^\"]*\"|'[^']*'", "", value)
    """The value without its quoted texts."""
    if line.startswith("[["):
        return f"{line} is written as a table, or was before: [{line.strip('[]')}]"
    match words.split():
        case ["Cannot", "declare", *_]:
            return f"{line} is there already; write a table once, with all of its keys below it"
        case ["Cannot", "overwrite", *_]:
            return f"{key} is there already; keep one of the two"
        case ["Unclosed", "array"]:
            return "a list that begins before it is not closed with ]"
        case ["Unescaped", *_]:
            return f"write a backslash twice, or put the text in single quotation marks: {key} = '…'"
    if re.search("[“”„‘’]", line):
        return 'write straight quotation marks: "…"'
    if line.startswith("["):
        return "write a table's name in brackets, alone on its line: [stages.dev]"
    if not equals:
        return 'write a key, = and its value on one line, as in language = "en"'
    if not value or value.lower() in ("none", "null", "nil"):
        return f"{key} has no value; write one, or leave the key out"
    if key == "version":
        return "write version = 1"
    if value.lower() in _SWITCHES:
        return f"write {key} = {_SWITCHES[value.lower()]}"
    if value == "{":
        return f"write a table in braces on one line: {key} = {{ … }}"
    if value[0] in "\"'" and value.count(value[0]) == 1:
        return f"the closing quotation mark is missing: {key} = {value[0]}…{value[0]}"
    if _NUMBER.fullmatch(value):
        return f"write a number without commas and leading zeros: {key} = {value.replace(',', '').lstrip('0') or 0}"
    if value[0] in "\"'0123456789" or (outside.lstrip("[] ")[:1] in (*",;/", "") and outside):
        return "only a comment may follow a value on its line; it begins with #"
    if value[0] != "{" and _BARE.search(outside):
        quoted = _BARE.sub(lambda word: f'"{word[0]}"', value) if value[0] == "[" else json.dumps(value.rstrip("\"'"))
        return f"put text in quotation marks: {key} = {_HIDDEN if _SECRET.fullmatch(key) else quoted}"
    return ""


_SWITCHES = {**dict.fromkeys(("true", "yes", "on"), "true"), **dict.fromkeys(("false", "no", "off"), "false")}
_HIDDEN = '"…"'


def unknown_key(where: str, allowed: list[str], homes: dict[str, str]) -> str:
    """What to do about an unknown key. ``homes`` holds the table that a known key belongs to."""
    above, _, key = where.rpartition(".")
    channel = re.search(r"(?:^|\.)channels\.([^.]+)$", above)
    if channel and _SECRET.fullmatch(key):
        return (
            "unknown key; secrets don't belong in this file. Remove it, and put it into Parameter Store: "
            f"./herald secrets set --stage <stage> {channel[1]}"
        )
    if channel and key == "subject":
        return "unknown key; it is called title now, and any channel or site may have one"
    listed = f"expected {', '.join(allowed)}"
    if key in homes:
        return f"unknown key; {listed}. It belongs below {homes[key]}"
    if near := nearest(key, allowed):
        return f"unknown key; {listed}. Did you mean {f'{above}.{near}' if above else near}?"
    return f"unknown key; {listed}"


def explained(detail: Any) -> str:
    """What pydantic found and what it expected, with an example where a beginner needs one."""
    found, expected = detail["input"], detail["msg"].removeprefix("Value error, ")
    shown = repr(found) if not isinstance(found, dict | list) else type(found).__name__
    match detail["type"], found:
        case "model_type" | "model_attributes_type" | "dict_type", [{}, *_]:
            return "expected one table: write its name in [ ], not in [[ ]]"
        case "model_type" | "model_attributes_type" | "dict_type", _:
            return f"found {found!r}; expected a table"
        case "string_pattern_mismatch", _:
            return f"found {shown}; expected something like 123456789012"
        case "list_type", str():
            meant = origin_of(found) if detail["loc"][-1] == "origins" else ""
            return f"found {shown}; {expected}: [{json.dumps(meant or found, ensure_ascii=False)}]"
        case "string_type", int() | float():
            return f"found {shown}; {expected}, in quotation marks" + (
                "" if isinstance(found, bool) else f': "{found}"'
            )
        case "int_type" | "bool_type", str():
            return f"found {shown}; {expected}, without quotation marks"
    return f"found {shown}; {expected}"
