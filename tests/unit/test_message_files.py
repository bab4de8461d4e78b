"""Where the files of a message are kept, and how what is known of them is stored and told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.logic.message_files import (
    DeclaredFile,
    FileFacts,
    FileMark,
    MessageFile,
    described,
    facts_of,
    files_with_facts,
    key_of,
    place_of_key,
    shown_size,
)
from tests.fakes import message

PHOTO = DeclaredFile("a.jpg", "image/jpeg", 2_100_000, "1" * 64)
SEEN = FileFacts("image", "image/png", FileMark.NOT_WHAT_IT_SAYS, {"make": "A", "model": "B"}, True)
EXIF = {"make": "A", "model": "B"}
SEEN_TOLD = {"kind": "image", "type": "image/png", "mark": "not_what_it_says", "exif": EXIF}
PLAIN = FileFacts("pdf", "application/pdf")


@pytest.mark.parametrize(
    ("facts", "stored"),
    [
        (PLAIN, {"kind": "pdf", "type": "application/pdf"}),
        (SEEN, {**SEEN_TOLD, "broken_exif": 1}),
        (FileFacts(mark=FileMark.EMPTY), {"kind": "", "type": "", "mark": "empty"}),
    ],
)
def test_what_was_found_out_comes_back_from_the_table_as_it_was(facts: FileFacts, stored: dict[str, object]) -> None:
    assert facts.as_json() == stored
    back = FileFacts.from_json(stored)
    assert back == facts
    assert back.broken_exif is facts.broken_exif


@pytest.mark.parametrize("stored", [None, {}])
def test_a_file_of_which_nothing_is_stored_is_unexamined(stored: dict[str, object] | None) -> None:
    assert FileFacts.from_json(stored) == FileFacts(mark=FileMark.UNEXAMINED)


def test_a_contract_has_every_key_of_a_file_with_null_for_what_is_absent() -> None:
    told = {"name": "a.jpg", "size": 2_100_000, "sha256": "1" * 64, "declared_type": "image/jpeg"}
    assert MessageFile(PHOTO, SEEN).as_json() == told | SEEN_TOLD
    assert MessageFile(PHOTO, FileFacts()).as_json() == told | {"kind": None, "type": None, "mark": None, "exif": {}}


@pytest.mark.parametrize(
    ("key", "place"),
    [
        (key_of("files/", "shop", "id-1", 12), ("shop", "files#id-1", "file12")),
        ("files/shop/a/b/3", ("shop", "files#a/b", "file3")),
        *(
            (key, ("", f"files#{key}", "file1"))
            for key in ("files/shop/id-1/x", "files/shop//1", "files//id-1/1", "incoming/shop/id-1/1")
        ),
    ],
)
def test_what_is_found_out_is_stored_beside_its_message_or_under_its_key(key: str, place: tuple[str, str, str]) -> None:
    assert place_of_key(key) == place


def test_each_file_has_its_own_facts_and_is_unexamined_where_none_was_examined() -> None:
    item = {"file1": PLAIN.as_json(), "file2": SEEN.as_json()}
    found = [facts_of(item, 1), facts_of(item, 2)]
    assert found == [PLAIN, SEEN]
    refs = tuple(replace(PHOTO, name=name) for name in "ab")
    it = replace(message(), files=refs)
    assert files_with_facts(it, found) == (MessageFile(refs[0], PLAIN), MessageFile(refs[1], SEEN))
    unexamined = FileFacts(mark=FileMark.UNEXAMINED)
    assert files_with_facts(it, None) == tuple(MessageFile(ref, unexamined) for ref in refs)


@pytest.mark.parametrize(
    ("size", "shown"),
    [(999, "999 bytes"), (1000, "1 kB"), (999_400, "999 kB"), (999_500, "1.0 MB"), (2_100_000, "2.1 MB")],
)
def test_a_file_is_described_by_kind_size_and_mark(size: int, shown: str) -> None:
    assert shown_size(size) == shown
    file = MessageFile(replace(PHOTO, size=size), SEEN)
    assert described(file) == f"image, {shown}, not what its name says"
    assert described(replace(file, facts=FileFacts())) == shown
