"""Decide which pages may send a form.

An origin is a page's scheme, host and port (RFC 6454); browsers send it in the ``Origin`` header.
"""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

from chalicelib.settings import Site

_HOST = re.compile(r"[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\]")
"""A host as browsers write it. A program may send anything, which must not reach the log."""
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PORT = r"(?!80$)([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
"""1 to 65535, without the one that browsers leave out."""
LOOPBACK = rf"http://(localhost|127\.0\.0\.1|\[::1\])(:{_PORT})?"
"""An origin of the person's own machine."""


def accepts_origin(site: Site, origin: str | None, host: str) -> bool:
    """Whether a request with this ``Origin`` header (None: without one) is accepted for a site.

    ``host`` is the host that the request was sent to. Herald's own error page, from which a visitor sends a corrected
    form, is there.
    """
    if origin is None:
        return site.without_origin
    if origin == "null":
        return site.null_origin
    return belongs_to_site(site, origin) or (bool(host) and origin in (f"https://{host}", f"http://{host}"))


def belongs_to_site(site: Site, origin: str | None) -> bool:
    """Whether the pages of an origin are the site's own, so that they may send and be led to."""
    if not origin or origin in site.origins:
        return bool(origin)
    return site.loopback and re.fullmatch(LOOPBACK, origin) is not None


def printable_origin(origin: str | None) -> str:
    """Return a request's ``Origin`` if it is safe in a log and on a page; empty for one that no browser sends."""
    if origin is None or origin == "null":
        return origin or "none"
    host = urlsplit(origin).hostname or "" if origin_of(origin) == origin else ""
    return origin if _HOST.fullmatch(f"[{host}]" if ":" in host else host) else ""


def origin_to_link_to(site: Site | None, origin: str | None, allowed: bool) -> str:
    """Return the origin that an error page links to: that of the form's page, or the site's own if it isn't known.

    Empty for none.
    """
    if site and site.loopback and origin == "null":
        return ""  # On stage local all sites have the same `thanks` page, which is no way back to one of them.
    known = printable_origin(origin)
    # An allowed origin that isn't the site's is Herald's own error page, or no page at all.
    if site and ("://" not in known or (allowed and not belongs_to_site(site, origin))):
        return origin_of(site.thanks)
    return known if "://" in known else ""


def advice_to_accept(site: Site, origin: str | None, stage_name: str) -> str:
    """Say what to change in ``herald.toml`` so that a refused origin is accepted; empty for a malformed one."""
    own = f"[stages.{stage_name}.sites.{site.name}] of herald.toml"
    if origin is None or origin == "null":
        instead = (
            "open the page at http://localhost instead of as a file, without a Referrer-Policy that hides it, or "
            if origin and site.loopback
            else ""
        )
        return f"to allow it, {instead}set {'null' if origin else 'without'}_origin = true in {own}"
    if not printable_origin(origin):
        return ""
    if origin.startswith("http://") and urlsplit(origin).hostname not in ("127.0.0.1", "localhost"):
        there = f"; open the page at http://localhost:{urlsplit(origin).port or 80}" if site.loopback else ""
        return f"it can't be allowed: http:// is for localhost and 127.0.0.1 alone{there}"
    if site.origins_in:
        return f'to allow it, add "{origin}" to origins in [{site.origins_in}] of herald.toml'
    return f"to allow it, set origins = {json.dumps([*site.origins, origin])} in {own}"


def origin_of(url: str) -> str:
    """Return the origin of an absolute web address; empty for anything else, and for what browsers read differently."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return ""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if not re.fullmatch(rf"{re.escape(host)}(:\d*)?", parts.netloc, re.IGNORECASE):
        return ""  # A user name; or what Python reads as nothing behind a bracket: http://[::1].evil.example
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, _DEFAULT_PORTS[parts.scheme]) else "")
