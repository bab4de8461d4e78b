"""Whose pages may send, and where a visitor may be sent: nobody is led elsewhere."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from chalicelib.logic.allowed_origins import (
    accepts_origin,
    advice_to_accept,
    origin_of,
    origin_to_link_to,
    printable_origin,
)
from chalicelib.logic.redirects import MAX_WANTED, next_page
from tests.fakes import site

HOST = "abc123.execute-api.eu-central-1.amazonaws.com"
OWN = "https://www.example.com"
IDN = "https://xn--mnchen-3ya.example"
SITE = site(origins=(OWN, IDN, "http://127.0.0.1:8080", "https://[::1]:8443"))


@pytest.mark.parametrize("origin", [*SITE.origins, f"https://{HOST}", f"http://{HOST}"])
def test_a_page_of_the_sites_origins_and_our_own_may_send(origin: str) -> None:
    assert accepts_origin(SITE, origin, HOST)


@pytest.mark.parametrize(
    "origin",
    [
        *("", " ", "Null", "*", "//www.example.com", "www.example.com", HOST),
        *("https://evil.example", "https://example.com", "https://sub.www.example.com", "https://münchen.example"),
        *("http://www.example.com", "https://www.example.com:8443", "https://www.example.com:443"),
        *("https://WWW.example.com", "HTTPS://www.example.com", " https://www.example.com", "https://www.example.com/"),
        *("https://www.example.com, https://evil.example", "https://evil.example https://www.example.com"),
        *("https://www.example.com\\.evil.example", "https://www.example.com@evil.example"),
        *("https://www.example.com.evil.example", f"https://{HOST}.evil.example", f"https://{HOST}:8443"),
        *("http://127.0.0.1", "http://127.0.0.1:8081"),
    ],
)
def test_any_other_page_may_not_send(origin: str) -> None:
    assert not accepts_origin(SITE, origin, HOST)
    assert not accepts_origin(site(origins=SITE.origins, null_origin=True, without_origin=True), origin, HOST)


LOOPBACK = ["http://localhost:1313", "http://127.0.0.1:4000", "http://[::1]:65535", "http://localhost"]


@pytest.mark.parametrize("origin", LOOPBACK)
def test_on_stage_local_alone_every_page_of_the_machine_is_the_sites(origin: str) -> None:
    local = SITE._replace(loopback=True)
    assert accepts_origin(local, origin, HOST)
    assert next_page(local, "/thanks/", f"{origin}/contact/") == f"{origin}/thanks/"
    assert not accepts_origin(SITE, origin, HOST)


@pytest.mark.parametrize(
    "origin",
    [
        *("", "*", "https://localhost", "localhost:1313", "file://localhost", "http://LOCALHOST", "http://127.1"),
        *("http://localhost.evil.example", "http://localhost:1313.evil.example", "http://127.0.0.1.evil.example"),
        *("http://localhost@evil.example", "http://evil.example/localhost", "http://[::1].evil.example"),
        *("http://localhost:1313/", "http://localhost:65536", "http://localhost:80", "http://localhost:01313"),
        "http://192.168.1.5:1313",
    ],
)
def test_what_only_looks_like_the_machine_is_not_its_page(origin: str) -> None:
    local = SITE._replace(loopback=True)
    assert not accepts_origin(local, origin, HOST)
    assert not {"evil", "192"} & set(re.split(r"\W", urlsplit(next_page(local, f"{origin}/x")).netloc))


@pytest.mark.parametrize("allowed", [True, False])
def test_a_request_without_an_origin_is_the_sites_choice(allowed: bool) -> None:
    assert accepts_origin(site(without_origin=allowed, null_origin=not allowed), None, HOST) is allowed


@pytest.mark.parametrize("allowed", [True, False])
def test_an_origin_of_null_is_the_sites_choice(allowed: bool) -> None:
    assert accepts_origin(site(null_origin=allowed, without_origin=not allowed), "null", HOST) is allowed


def test_an_own_origin_may_send_whatever_the_choices_are() -> None:
    assert accepts_origin(site(without_origin=False, null_origin=False), OWN, HOST)


@pytest.mark.parametrize(
    "wanted",
    [
        *(OWN, f"{OWN}/", f"{OWN}/danke.html?a=b&c=@d#top", f"{OWN}/dankesch%C3%B6n.html", f"{IDN}/danke.html"),
        *(f"{OWN}:443/danke.html", "https://www.example.com:/danke.html", "HTTPS://WWW.EXAMPLE.COM/danke.html"),
        *(f"{OWN}?next=https://evil.example", f"{OWN}#@evil.example", f"{OWN}/https://evil.example"),
        *("http://127.0.0.1:8080/thanks.html", "https://[::1]:8443/"),
    ],
)
def test_a_form_may_lead_to_the_sites_own_pages(wanted: str) -> None:
    assert next_page(SITE, wanted) == wanted


@pytest.mark.parametrize(("length", "followed"), [(MAX_WANTED, True), (MAX_WANTED + 1, False)])
def test_an_address_is_followed_up_to_a_length(length: int, followed: bool) -> None:
    wanted = "/".ljust(length, "a")
    assert next_page(SITE, wanted) == (f"{OWN}{wanted}" if followed else SITE.thanks)
    absolute = f"{OWN}/".ljust(length, "a")
    assert next_page(SITE, absolute) == (absolute if followed else SITE.thanks)


def test_an_address_always_fits_into_a_header_of_the_gateway() -> None:
    for letter in ("%", "ö", "\N{ROCKET}"):
        for start in ("/", f"{OWN}/"):
            assert len(next_page(SITE, start.ljust(MAX_WANTED, letter))) < 10_000, (letter, start)


def test_a_host_beyond_ascii_keeps_its_port() -> None:
    ported = site(origins=(f"{IDN}:8443",))
    assert next_page(ported, "https://MÜNCHEN.example:8443/ö") == f"{IDN}:8443/%C3%B6"


@pytest.mark.parametrize(
    ("wanted", "url"),
    [
        ("/danke", f"{OWN}/danke"),
        ("danke.html?a=b#c", f"{OWN}/kontakt/danke.html?a=b#c"),
        ("../danke.html", f"{OWN}/danke.html"),
        ("?gesendet", f"{OWN}/kontakt/form.html?gesendet"),
        ("#danke", f"{OWN}/kontakt/form.html#danke"),
        ("www.example.com/danke", f"{OWN}/danke"),
        ("WWW.example.com", OWN),
        ("127.0.0.1:8080/danke", "http://127.0.0.1:8080/danke"),
        ("//www.example.com/danke.html", f"{OWN}/danke.html"),
        (f" {OWN}/danke ", f"{OWN}/danke"),
        (f"{OWN}/a b", f"{OWN}/a%20b"),
        ("/dankeschön.html?für=dich", f"{OWN}/dankesch%C3%B6n.html?f%C3%BCr=dich"),
        ("/dankesch%C3%B6n.html", f"{OWN}/dankesch%C3%B6n.html"),
        ("/100%?saved=50%25&of=%zz", f"{OWN}/100%25?saved=50%25&of=%25zz"),
        (f"{OWN}/100%", f"{OWN}/100%25"),
        ("https://MÜNCHEN.example/größe", f"{IDN}/gr%C3%B6%C3%9Fe"),
        ("https://www。example。com/", f"{OWN}/"),
        ("evil.example", f"{OWN}/kontakt/evil.example"),
        ("user@evil.example", f"{OWN}/kontakt/user@evil.example"),
    ],
)
def test_a_wish_is_completed_by_the_forms_page_and_encoded(wanted: str, url: str) -> None:
    assert next_page(SITE, wanted, f"{OWN}/kontakt/form.html") == url


@pytest.mark.parametrize("page", ["", "https://evil.example/", f"{OWN}@evil.example/", "null/", "https://[/"])
def test_a_page_that_is_not_the_sites_own_completes_nothing(page: str) -> None:
    assert next_page(SITE, "danke.html", page) == f"{SITE.thanks.rpartition('/')[0]}/danke.html"


HOSTILE = [
    # Another host, however written
    *("https://evil.example/", "//evil.example", "///evil.example", "////evil.example", "/\\evil.example"),
    *("\\\\evil.example", "https:evil.example", "https:/evil.example", "https:///evil.example"),
    *("https:\\\\evil.example", "https:/\\evil.example", "https:www.example.com", "https:///www.example.com"),
    # The site's name before an @ or in front of another's
    *(f"{OWN}@evil.example/", f"{OWN}:443@evil.example/", f"{OWN}:x@evil.example/", "https://user@www.example.com/"),
    *("https://user:password@www.example.com/", "https://@www.example.com/", f"{OWN}\\@evil.example/"),
    *(f"{OWN}\\.evil.example/", f"https://evil.example\\@{OWN.removeprefix('https://')}/", f"{OWN}/\\evil.example"),
    *(f"{OWN}.evil.example/", f"{OWN}evil.example/", f"{OWN}./", f"{OWN}%2eevil.example/", f"{OWN}%00.evil.example/"),
    *(f"{OWN};.evil.example/", f"{OWN},evil.example/"),
    # Another port or scheme, or an address that has none
    *(f"{OWN}:{port}/" for port in ("8443", "80", "0", "65536", "-1", "+443", "4 43", "https", "٤٤٣")),
    *("http://www.example.com/", "http://www.example.com:443/", "http://127.0.0.1/", "https://127.0.0.1:8080/"),
    *("https://[::1]/", "https://[::1", "https://[www.example.com]/", "https://[", "https://", "https://:443/"),
    *("javascript:alert(1)", "JavaScript:alert(1)", "javascript://www.example.com/%0aalert(1)"),
    *("data:text/html,<script>alert(1)</script>", "vbscript:x", "file:///etc/passwd", "ftp://www.example.com/"),
    *("mailto:a@example.com", "blob:https://www.example.com/x", f"view-source:{OWN}"),
    # What a browser or a header takes out or changes
    *(f"{OWN}\t.evil.example/", f"{OWN}\n.evil.example/", f"{OWN}/\r\nSet-Cookie: a=b", f"{OWN}/\r\n\r\n<script>"),
    *("ht\ttps://evil.example/", "java\nscript:alert(1)", f"\x00{OWN}/", f"{OWN}/\x00", f"{OWN}/\x7f"),
    *(f"{OWN}/\u2028x", "https://www.exämple.com/", "https://ｗｗｗ.example.com/", "https://www.example.com/\ud800"),
    *("https://www.example.com／.evil.example/", "https://www.example.com＠evil.example/"),
    # The site's name elsewhere than in the host, our own host, and what is long
    *("https://evil.example/?https://www.example.com", "https://evil.example/#https://www.example.com"),
    *("https://evil.example?@www.example.com/", "https://evil.example#@www.example.com/", f"https://{HOST}/"),
    *("x" * 100_000, "https://" + "[" * 1000),
]


@pytest.mark.parametrize("wanted", ["", " ", *HOSTILE], ids=ascii)
def test_any_other_wish_leads_to_the_thanks_page(wanted: str) -> None:
    assert next_page(SITE, wanted) == SITE.thanks


@pytest.mark.parametrize("wanted", [wanted for wanted in HOSTILE if not wanted.startswith("http")], ids=ascii)
def test_what_has_no_origin_is_never_the_origin_of_a_site(wanted: str) -> None:
    """However a site came to have an origin that is empty, nobody is led away by it."""
    assert next_page(site(origins=("",)), wanted) == SITE.thanks


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://www.example.com", OWN),
        ("https://www.example.com/a/b?c#d", OWN),
        ("https://www.example.com:443", OWN),
        ("http://www.example.com:80/", "http://www.example.com"),
        ("http://www.example.com:443/", "http://www.example.com:443"),
        ("https://www.example.com:8443/", "https://www.example.com:8443"),
        ("https://www.example.com:0443/", OWN),
        ("HTTPS://WWW.Example.COM/A", OWN),
        ("https://[::1]/", "https://[::1]"),
        ("http://[2001:DB8::1]:8080/", "http://[2001:db8::1]:8080"),
        ("http://127.0.0.1:8080/thanks.html", "http://127.0.0.1:8080"),
        ("", ""),
        ("null", ""),
        ("//www.example.com", ""),
        ("ftp://www.example.com", ""),
        ("https://a@www.example.com", ""),
        ("http://[::1].evil.example", ""),
        ("https://grüße.example", ""),
        ("https://www.example.com\\", ""),
        ("https://www.example.com:x", ""),
        ("https://[::1", ""),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize("url", HOSTILE, ids=ascii)
def test_an_origin_is_empty_or_its_own_origin(url: str) -> None:
    assert origin_of(url) in ("", origin_of(origin_of(url)))


# What the owner is told of a page that was refused

LINE = "[stages.local.sites.default] of herald.toml"


@pytest.mark.parametrize(
    ("origins_in", "origin", "told"),
    [
        ("stages.local.sites.default", "http://localhost:1313", f'add "http://localhost:1313" to origins in {LINE}'),
        ("sites.default", "https://a.example", 'add "https://a.example" to origins in [sites.default] of herald.toml'),
        ("", "https://example.com", f'set origins = ["{OWN}", "https://example.com"] in {LINE}'),
        ("", "http://127.0.0.1:1", f'set origins = ["{OWN}", "http://127.0.0.1:1"] in {LINE}'),
        ("", "null", f"set null_origin = true in {LINE}"),
        ("", None, f"set without_origin = true in {LINE}"),
    ],
)
def test_the_owner_is_told_the_line_that_lets_a_refused_page_in(origins_in: str, origin: str | None, told: str) -> None:
    refused = site(origins=(OWN,))._replace(origins_in=origins_in)
    assert advice_to_accept(refused, origin, "local") == f"to allow it, {told}"


def test_the_owner_is_told_that_a_page_without_tls_cannot_be_let_in() -> None:
    told = "it can't be allowed: http:// is for localhost and 127.0.0.1 alone"
    assert advice_to_accept(site(), "http://192.168.1.5:1313", "local") == told


@pytest.mark.parametrize(
    ("origin", "told"),
    [
        ("http://192.168.1.5:1313", "alone; open the page at http://localhost:1313"),
        ("http://192.168.1.5", "alone; open the page at http://localhost:80"),
        (
            "null",
            "open the page at http://localhost instead of as a file, without a Referrer-Policy that hides it, "
            f"or set null_origin = true in {LINE}",
        ),
        (None, f"to allow it, set without_origin = true in {LINE}"),
    ],
)
def test_on_stage_local_the_owner_is_told_at_which_address_to_open_the_page(origin: str | None, told: str) -> None:
    assert advice_to_accept(site()._replace(loopback=True), origin, "local").endswith(told)


@pytest.mark.parametrize(
    "origin",
    [
        *("", "x", "*", "null\n", 'https://"]; evil = ["x', "https://example.com/path", "https://user@example.com"),
        *("https://example.com\n{}", "https://a\u202eb.example", "https://a\x9b31mb.example", "https://$(x).example"),
        *(
            "https://" + "a" * 254,
            "https://[::1%0]",
            "chrome-extension://abcdefgh",
            "https://EXAMPLE.com",
            "https://a,b",
        ),
    ],
)
def test_what_no_browser_names_as_its_page_is_neither_logged_nor_shown(origin: str) -> None:
    assert printable_origin(origin) == ""
    assert advice_to_accept(site(), origin, "local") == ""


@pytest.mark.parametrize("origin", ["http://localhost:4321", "https://xn--mnchen-3ya.example", "http://[::1]:8080"])
def test_a_pages_origin_is_shown_as_it_is(origin: str) -> None:
    assert printable_origin(origin) == origin
    assert [printable_origin("null"), printable_origin(None)] == ["null", "none"]


@pytest.mark.parametrize(
    ("origin", "allowed", "back"),
    [
        (IDN, True, IDN),
        ("https://other.example", False, "https://other.example"),
        # Our own page, from which a corrected form is sent; a page that keeps its name to itself; none.
        (f"https://{HOST}", True, OWN),
        ("null", True, OWN),
        (None, True, OWN),
        ("javascript:alert(1)", False, OWN),
    ],
)
def test_a_visitor_is_led_back_to_where_the_form_is_or_to_the_site(
    origin: str | None, allowed: bool, back: str
) -> None:
    assert origin_to_link_to(SITE._replace(thanks=f"{OWN}/thanks"), origin, allowed) == back


@pytest.mark.parametrize("allowed", [True, False])
def test_on_stage_local_a_page_without_an_origin_is_not_led_to_the_example_site(allowed: bool) -> None:
    assert origin_to_link_to(SITE._replace(loopback=True), "null", allowed) == ""


def test_of_no_site_a_visitor_is_led_back_to_where_the_form_is() -> None:
    assert origin_to_link_to(None, OWN, False) == OWN
    assert origin_to_link_to(None, None, False) == ""
