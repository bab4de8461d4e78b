"""Web addresses in ``herald.toml``: absolute, with https unless they lead to this machine."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine, which browsers may reach without TLS."""
    return host in ("127.0.0.1", "localhost")


def web_address(value: str) -> str:
    """The same address; raises ``ValueError`` with what an address must be."""
    if not value.isascii():
        raise ValueError("must be ASCII: write other characters percent-encoded, and a host name as xn--…")
    url = urlsplit(value)
    try:
        _ = url.port
    except ValueError:
        raise ValueError("must have a port from 0 to 65535, or none") from None
    if url.scheme == "http" and not is_loopback(url.hostname):
        raise ValueError("must begin with https:// (http:// is for localhost and 127.0.0.1 alone)")
    if "@" in url.netloc:
        raise ValueError("must have no user name or password before its host")
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("must be an absolute address such as https://www.example.com/thanks.html")
    if "*" in url.netloc:
        raise ValueError("must have one host, without *")
    if re.search(r"[\s\x00-\x1f\x7f\\]", value):
        raise ValueError("must not hold spaces or control characters, or a backslash")
    return value


WebAddress = Annotated[str, AfterValidator(web_address)]
