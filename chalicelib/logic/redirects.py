"""Where a visitor is sent afterwards: to the page that the form wishes for, within the site's own origins."""

from __future__ import annotations

import re
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from chalicelib.logic.allowed_origins import belongs_to_site, origin_of
from chalicelib.settings import Site

MAX_WANTED = 2000
"""Most characters of a ``_next`` that is followed."""
_MAX_ENCODED = 8000
"""Most of them encoded, where one may become twelve. Of a request API Gateway takes 10,240 bytes of headers, and of an
answer it names no limit: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html"""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_KEPT = "/%:@!$&'()*+,;=~"
"""What stays as it is in a path (RFC 3986, 3.3), and what is encoded already."""
_BARE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")


def next_page(site: Site, wanted: str, page: str = "") -> str:
    """The address that a form's ``_next`` means, or the site's thanks page where that is not one of the site's own.

    As Formspree does, one that is relative (``danke.html``, ``/danke``) or has no scheme (``www.example.com/danke``) is
    completed, and characters beyond ASCII are encoded. ``page`` is where the form is, as far as the browser names
    it. What browsers read in two ways is not followed: https://url.spec.whatwg.org/#concept-basic-url-parser
    """
    if len(wanted) > MAX_WANTED:
        return site.thanks
    if belongs_to_site(site, origin_of(wanted)):
        return _BARE_PERCENT.sub("%25", wanted)
    wanted = wanted.strip()
    if not wanted or not wanted.isprintable() or "\\" in wanted:
        return site.thanks
    bare = wanted.removeprefix("//")
    host = re.split(r"[/?#]", bare, maxsplit=1)[0].lower()
    named_origin = next((origin for origin in site.origins if origin and origin.partition("://")[2] == host), "")
    try:
        if named_origin:
            wanted = named_origin + bare[len(host) :]
        elif wanted.startswith("//"):
            return site.thanks
        elif not _SCHEME.match(wanted):
            wanted = urljoin(page if belongs_to_site(site, origin_of(page)) else site.thanks, wanted)
        url = _encoded(wanted)
    except ValueError:
        return site.thanks
    return url if len(url) <= _MAX_ENCODED and belongs_to_site(site, origin_of(url)) else site.thanks


def _encoded(url: str) -> str:
    """Encode an address in ASCII, its host as browsers do (IDNA); raises ValueError for a host that is not valid."""
    parts = urlsplit(url)
    authority = parts.netloc
    if not authority.isascii():
        # Loaded for the few addresses that need it.
        import idna

        host, colon, port = authority.lower().partition(":")
        authority = idna.encode(host).decode() + colon + port
    query, fragment = (quote(part, safe=f"{_KEPT}?") for part in (parts.query, parts.fragment))
    whole = urlunsplit((parts.scheme, authority, quote(parts.path, safe=_KEPT), query, fragment))
    return _BARE_PERCENT.sub("%25", whole)
