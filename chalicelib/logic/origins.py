"""Which pages may send, and where a visitor may be sent afterwards.

An origin is scheme, host and port of a page (RFC 6454); a browser names it in the ``Origin`` header.
"""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

from chalicelib.settings import Site

_HOST = re.compile(r"[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\]")
"""What a browser makes of a host's name. A program may send anything, and it would stand in the log."""
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


def shown(origin: str | None) -> str:
    """A request's ``Origin`` as it may stand in a log and on a page; empty for one that no browser sends."""
    if origin is None or origin == "null":
        return origin or "none"
    host = urlsplit(origin).hostname or "" if origin_of(origin) == origin else ""
    return origin if _HOST.fullmatch(f"[{host}]" if ":" in host else host) else ""


def way_back(site: Site | None, origin: str | None, allowed: bool) -> str:
    """The origin to lead a visitor back to: where the form is, or the site's own if that is not known."""
    known = shown(origin)
    # What is allowed and not the site's own is no page, or ours, from which a corrected form is sent.
    if site and ("://" not in known or (allowed and origin not in site.origins)):
        return origin_of(site.thanks)
    return known if "://" in known else ""


def to_let_in(site: Site, origin: str | None, stage: str) -> str:
    """What to write in ``herald.toml``, so that :func:`may_send` lets an origin in that it refuses; empty for one that
    can't be written there."""
    own = f"[stages.{stage}.sites.{site.name}] of herald.toml"
    if origin is None or origin == "null":
        return f"to let it in, set {'null' if origin else 'without'}_origin = true in {own}"
    if not shown(origin):
        return ""
    if origin.startswith("http://") and urlsplit(origin).hostname not in ("127.0.0.1", "localhost"):
        return "it can't be let in: http:// is for localhost and 127.0.0.1 alone"
    if site.origins_in:
        return f'to let it in, add "{origin}" to origins in [{site.origins_in}] of herald.toml'
    return f"to let it in, set origins = {json.dumps([*site.origins, origin])} in {own}"


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
