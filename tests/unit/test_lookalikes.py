"""Which names and lines of visitors could be read as one of ours."""

from __future__ import annotations

import pytest

from chalicelib.logic.lookalikes import is_like, starts_like

OURS = ("Email", "Source", "Id", "Name", "Received", "Message")


@pytest.mark.parametrize(
    "name",
    [
        *("Email", "email", "EMAIL", "Email ", " E m a i l", "E-mail", "Em\u200bail", "E\u00admail"),
        *("Ｅｍａｉｌ", "𝐄𝗆𝒶𝔦𝚕", "Émàil", "E\u0301mail", "Emai1", "Ema|l", "\u202eEmail", "Email\u3164"),
        *("Еmаіl", "Εmaιl", "Emaiꓡ"),  # with letters of Cyrillic, Greek and Lisu
        *("S0urce", "Ѕоurсе", "ＩＤ", "ⅼD", "Narne", "Rесеіvеd", "Меssаgе"),
    ],
)
def test_a_name_that_reads_as_ours_is_known_whatever_its_letters(name: str) -> None:
    assert is_like(name, OURS)
    for colon in (":", " :", "：", "\u2236", "ː", "\u0589"):
        assert starts_like(f"{name}{colon} forged", OURS)


@pytest.mark.parametrize(
    "name", ["", "phone", "Telefon", "姓名", "メール", "שם", "הודעה", "اسم", "رسالة", "Identity", "Names", "E", "🚀🚀"]
)
def test_any_other_name_stays_as_it_is(name: str) -> None:
    assert not is_like(name, OURS)
    assert not starts_like(f"{name}: x", OURS)


@pytest.mark.parametrize("line", ["", "Email", "My Email: x", "at 10:30, name: x", f"Name{'x' * 90}: y"])
def test_a_line_that_does_not_begin_as_ours_is_nobodys(line: str) -> None:
    assert not starts_like(line, OURS)
