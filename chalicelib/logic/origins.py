"""Which pages may send, and where a visitor may be sent afterwards.

An origin is scheme, host and port of a page (RFC 6454); a browser names it in the ``Origin`` header.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from chalicelib.settings import Site

_DEFAULT_PORTS = {"http": 80, "https": 443}


def may_send(site: Site, origin: str | None, host: str) -> bool:
    """Whether a request with this ``Origin`` header (None: without one) is accepted for a site.

    ``host`` is the host that the request came to: our own page, from which a visitor sends a corrected form again, is
    there.
    """
    if origin is None:
        return site.without_origin
    if origin == "null":
        return site.null_origin
    return origin in site.origins or (bool(host) and origin in (f"https://{host}", f"http://{host}"))


def destination(site: Site, wanted: str) -> str:
    """Where the visitor goes afterwards: where the form wished, within the site's own origins, or its thanks page."""
    origin = origin_of(wanted)
    return wanted if origin and origin in site.origins else site.thanks


def origin_of(url: str) -> str:
    """The origin of an absolute web address; empty for anything else, and for one that browsers read in two ways."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return ""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, _DEFAULT_PORTS[parts.scheme]) else "")
