"""The example site, the snippet, and where the form is sent."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from ops.local.web.settings import WebSettings
from tests.local_web.conftest import Start

API = "http://127.0.0.1:4566/restapis/abc/local/_user_request_"
WEB = Path(__file__).parents[2] / "web"
UNUSABLE = (
    *(b"", b"http://example.com", b"javascript:alert(1)", b"https://user@example.com", b"https://example.com?x"),
    *(b"https://example.com/#x", b"https://example.com/ x", b"https://example.com:99999", b"https://[x"),
)
Tag = tuple[str, dict[str, str | None]]


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[Tag] = []
        self.labelled: list[str | None] = []
        """The names of fields within a label, or with one before them."""
        self._in_label = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "label":
            self._in_label = True
        elif "name" in dict(attrs) and (
            self._in_label or any(it.get("for") == dict(attrs).get("id") for it in self.named("label"))
        ):
            self.labelled.append(dict(attrs)["name"])

    def handle_endtag(self, tag: str) -> None:
        self._in_label = self._in_label and tag != "label"

    def named(self, *names: str) -> Iterator[dict[str, str | None]]:
        return (attributes for tag, attributes in self.tags if tag in names)


def test_the_page_waits_for_the_api_and_then_posts_to_it(client: httpx.Client) -> None:
    waiting = client.get("/")
    assert waiting.status_code == 503
    assert "still starting" in waiting.text
    assert waiting.headers["retry-after"] == "2"

    assert client.put("/_herald/api", json={"api": f"{API}//"}).json() == {"api": API}

    page = client.get("/")
    assert page.status_code == 200
    (form,) = Tags(page.text).named("form")
    assert (form["method"], form["action"]) == ("post", f"{API}/contact")
    assert "{{" not in page.text


def test_the_address_may_come_from_the_settings(start: Start) -> None:
    addresses = iter([None, API])
    client = start(WebSettings(api=lambda: next(addresses)))
    assert [client.get("/").status_code for _ in range(2)] == [503, 200]


def test_null_goes_back_to_the_settings(start: Start) -> None:
    client = start(WebSettings(api=lambda: API))
    client.put("/_herald/api", json={"api": "https://example.com/x"})
    assert client.get("/_herald/api").json() == {"api": "https://example.com/x"}
    assert client.put("/_herald/api", json={"api": None}).json() == {"api": API}


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"{}", b'{"api": 1}', *(b'{"api": "%s"}' % address for address in UNUSABLE)]
)
def test_an_address_that_no_form_can_use_is_refused(client: httpx.Client, body: bytes) -> None:
    answer = client.put("/_herald/api", content=body)
    assert answer.status_code == 400
    assert "expected" in answer.json()["error"]
    assert client.get("/_herald/api").json() == {"api": None}


def test_the_address_is_put_in_as_text_not_as_markup(start: Start) -> None:
    address = 'https://example.com/"><b>'
    page = start(WebSettings(api=lambda: address)).get("/")
    (form,) = Tags(page.text).named("form")
    assert form["action"] == f"{address}/contact"
    assert not list(Tags(page.text).named("b"))


def test_the_policy_lets_the_form_be_sent_there_and_nothing_else_happen(start: Start) -> None:
    page = start(WebSettings(api=lambda: API)).get("/")
    policy = page.headers["content-security-policy"]
    directives = {name: rest for name, _, rest in (part.strip().partition(" ") for part in policy.split(";"))}
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == "'self'"
    # By the browser without the script, and by the script's fetch.
    assert directives["form-action"] == "'self' http://127.0.0.1:4566"
    assert directives["connect-src"] == "http://127.0.0.1:4566"
    # Under no-referrer a browser would send "Origin: null" with the form.
    assert page.headers["referrer-policy"] != "no-referrer"


def test_the_thanks_page_needs_no_api(client: httpx.Client) -> None:
    page = client.get("/thanks.html")
    assert page.status_code == 200
    assert "Thank you" in page.text


@pytest.mark.parametrize("page", ["http://localhost:1313", "http://127.0.0.1:4000"])
def test_after_a_form_of_another_site_the_page_says_how_to_name_its_own(start: Start, page: str) -> None:
    shown = start(WebSettings(api=lambda: API)).get("/thanks.html", headers={"Referer": f"{page}/contact/"}).text
    assert f'<a href="{page}/">{page}</a>' in shown
    assert '&lt;input type="hidden" name="_next"' in shown
    assert "workbench" not in shown


@pytest.mark.parametrize("page", ["", "{own}/", "http://127.0.0.1:4566/restapis", "https://<b>/", "nonsense"])
def test_after_its_own_form_the_example_shows_its_own_page(start: Start, page: str) -> None:
    client = start(WebSettings(api=lambda: API))
    referer = page.format(own=str(client.base_url).replace("127.0.0.1", "localhost").rstrip("/"))
    assert "workbench" in client.get("/thanks.html", headers={"Referer": referer}).text


def test_a_page_that_is_edited_shows_on_reload(start: Start, tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_text("one", encoding="utf-8")
    client = start(WebSettings(site_directory=tmp_path))
    assert client.get("/").text == "one"
    page.write_text("two", encoding="utf-8")
    assert client.get("/").text == "two"


@pytest.mark.parametrize("path", ["/..%2Fsecret.txt", "/link.txt", "/sub", "/%00", "/none.html", "/" + "x" * 5000])
def test_nothing_outside_of_the_directory_is_served(start: Start, tmp_path: Path, path: str) -> None:
    site = tmp_path / "site"
    (site / "sub").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    (site / "link.txt").symlink_to(tmp_path / "secret.txt")
    assert start(WebSettings(site_directory=site)).get(path).status_code == 404


@pytest.mark.parametrize("file", ["site/index.html", "snippet.html"])
def test_every_field_of_a_form_is_labelled_bounded_and_known_to_herald(file: str) -> None:
    tags = Tags((WEB / file).read_text(encoding="utf-8"))
    fields = [field for field in tags.named("input", "textarea") if field.get("type") != "hidden"]
    assert [field["name"] for field in fields] == ["name", "email", "message", "_gotcha"]
    trap = fields.pop()
    assert tags.labelled == ["name", "email", "message", "_gotcha"]
    assert (trap["tabindex"], trap["autocomplete"]) == ("-1", "off")
    for field in fields:
        assert field["autocomplete"]
        assert 0 < int(field["maxlength"] or 0) <= 10_240
    hidden = [field["name"] for field in tags.named("input") if field.get("type") == "hidden"]
    assert hidden == ["source"]
    (form,) = tags.named("form")
    assert form["method"] == "post"
    assert str(form["action"]).endswith("/contact")


@pytest.mark.parametrize("file", ["site/index.html", "site/thanks.html"])
def test_the_site_asks_no_third_party(file: str) -> None:
    tags = Tags((WEB / file).read_text(encoding="utf-8"))
    assert not list(tags.named("iframe"))
    for attributes in tags.named("script", "link", "img", "a"):
        assert not str(attributes.get("href", attributes.get("src"))).startswith(("http", "//"))
    (document,) = tags.named("html")
    assert document["lang"] == "en"


def test_the_script_is_small_and_asks_no_third_party(client: httpx.Client) -> None:
    answer = client.get("/herald.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert len(answer.content) < 13_500  # docs/site.md says 13 KB
    assert "//" not in answer.text.replace("// ", "")
