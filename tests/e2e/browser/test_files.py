"""Files in a real browser, by the form alone and by the page's script: each ends as docs/files.md says."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
from playwright.sync_api import BrowserContext, FilePayload, Page, expect

from tests.e2e.between import Answer, Between, Call
from tests.e2e.browser.test_with_script import LOST
from tests.e2e.browser.visitor import Visitor, status
from tests.e2e.harness import Harness, marker, wait_for
from tests.e2e.test_files import PDF
from tests.images import photo


def payload(name: str, media_type: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": media_type, "buffer": content}


class Case(NamedTuple):
    """What somebody chooses, and what becomes of it."""

    files: list[FilePayload]
    text: str = ""
    """What the notification says of them; empty for nothing."""
    refused: str = ""
    """What the visitor reads where the form is refused."""


PHOTO = payload("IMG_0001.JPG", "image/jpeg", photo() + bytes(1_900_000))
CASES = {
    "a photo of a phone": Case([PHOTO], "Files: “IMG_0001.JPG” (image, 1.9 MB)"),
    "a PDF": Case([payload("offer.pdf", "application/pdf", PDF)], "Files: “offer.pdf” (pdf, 15 bytes)"),
    "three at once": Case(
        [payload(f"{number}.png", "image/png", photo("PNG")) for number in (1, 2, 3)], "“1.png” (image, "
    ),
    "nothing": Case([]),
    "4.1 MB": Case([payload("a.jpg", "image/jpeg", bytes(4_300_000))], refused="The files may have 4 MB in all."),
    "a .png that is HTML": Case(
        [payload("a.png", "image/png", b"<html><script>alert(1)</script>")],
        "“a.png” (markup, 31 bytes, not what its name says)",
    ),
    "an SVG with a script": Case(
        [payload("a.svg", "image/svg+xml", b"<svg onload='alert(1)'/>")],
        refused="Files of this kind can't be sent with this form.",
    ),
    "a name of 255 emoji": Case([payload("🚀" * 255, "image/jpeg", photo())], f"Files: “{'🚀' * 59}…” (image, "),
    "0 bytes": Case([payload("a.jpg", "image/jpeg", b"")], "Files: “a.jpg” (0 bytes, empty)"),
}


def form_of(visitor: Visitor, *, script: bool) -> str:
    return (
        f'<form method="post" enctype="multipart/form-data" action="{visitor.action}/filed"'
        f"{' data-herald' if script else ''}><label>Message <textarea name=message></textarea></label>"
        "<label>Photos <input type=file name=photos multiple></label><button>Send</button></form>"
    )


def opened(visitor: Visitor, *, script: bool, context: BrowserContext | None = None) -> Page:
    """The form on a page of the site; without a script in a browser that runs none."""
    if script:
        return visitor.show(form_of(visitor, script=True), context=context)
    page = (context or visitor.context(script=False)).new_page()
    page.goto(visitor.site)
    page.set_content(form_of(visitor, script=False))
    return page


WAYS = pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without"])


@WAYS
@pytest.mark.parametrize("name", CASES)
def test_what_a_visitor_chooses_ends_as_the_docs_say(
    visitor: Visitor, herald: Harness, name: str, script: bool
) -> None:
    case, word = CASES[name], marker()
    page = opened(visitor, script=script)
    page.get_by_label("Message").fill(word)
    page.locator("input[type=file]").set_input_files(case.files)
    with page.expect_response(f"{visitor.action}/filed") as answer:
        page.get_by_role("button", name="Send").click()
    if case.refused:
        assert answer.value.status in (413, 422)
        page.get_by_text(case.refused).first.wait_for()
        assert page.get_by_label("Message").input_value() == word, "nothing that was typed is lost"
        assert not herald.pushes(word)
        return
    assert answer.value.status == (202 if script else 303)
    (push,) = wait_for(lambda: herald.pushes(word), "push")
    if case.text:
        assert case.text in push["message"]
    else:
        assert "Files" not in push["message"]
    attached = [file for file in case.files if "image" in case.text and file["buffer"]]
    assert ("attachment" in push) == bool(attached)


@WAYS
def test_who_loses_the_connection_amid_a_photo_is_told_and_loses_no_word(
    visitor: Visitor, herald: Harness, script: bool
) -> None:
    word, sizes = marker(), list[int]()

    def cut(call: Call, forward: Callable[[], Answer]) -> Answer | None:
        if call.operation != f"POST {visitor.action}/filed":
            return forward()
        sizes.append(len(call.body))
        return None

    with Between("", cut) as between:
        context = visitor.context(script=script, proxy={"server": between.url, "bypass": "<-loopback>"})
        page = opened(visitor, script=script, context=context)
        page.get_by_label("Message").fill(word)
        page.locator("input[type=file]").set_input_files([PHOTO])
        with page.expect_event("requestfailed"):
            page.get_by_role("button", name="Send").click(no_wait_after=True)
        if script:
            expect(status(page)).to_have_text(LOST)
            assert page.get_by_label("Message").input_value() == word
        context.close()
    assert min(sizes) > len(PHOTO["buffer"])
    other = marker()
    herald.post_json({"message": other})
    wait_for(lambda: herald.pushes(other), "push")
    assert not herald.pushes(word)
