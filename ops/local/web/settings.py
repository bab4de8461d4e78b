"""What the local web server is told when it is made; nothing here is read from the environment."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

LOCAL_TOKEN = "a" * 30
"""The application token that the stand-in for Pushover knows unless told otherwise. It opens nothing else."""
LOCAL_USER = "u" * 30
"""The user key that goes with :data:`LOCAL_TOKEN`."""
LOCAL_WEBHOOK_SECRET = "whsec_" + "aGVyYWxk" * 4
"""What the stand-in for webhook receivers verifies signatures with. It opens nothing else."""

_WEB = Path(__file__).resolve().parents[3] / "web"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def not_known_yet() -> str | None:
    """An API address that only :meth:`ApiAddress.set` will tell."""
    return None


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Settings of :func:`ops.local.web.app.create_app`."""

    api: Callable[[], str | None] = not_known_yet
    """Answers the API's address without ``/contact``, or None while nothing is deployed. Asked per page."""
    site_directory: Path = _WEB / "site"
    phone_directory: Path = _WEB / "phone"
    token: str = LOCAL_TOKEN
    """The one application token that the stand-in takes: 30 characters of ``[A-Za-z0-9]``."""
    users: tuple[str, ...] = (LOCAL_USER,)
    """The user keys that it knows, of the same form as the token."""
    devices: tuple[str, ...] = ("phone",)
    """The devices that ``users/validate.json`` answers for each user."""
    app_name: str = "Herald"
    """The title of a message that has none, as Pushover takes the name of the application."""
    quota: int = 10_000
    """Messages a month; 10,000 is what Pushover gives for free."""
    clock: Callable[[], float] = time.time
    """Seconds since the epoch."""


class ApiAddress:
    """The API's address: what was set last, else what the settings' callable answers, else None."""

    def __init__(self, ask: Callable[[], str | None]) -> None:
        self._ask = ask
        self._set: str | None = None

    def get(self) -> str | None:
        """The address without a slash at its end; raises ValueError when the callable answers no address."""
        if self._set is not None:
            return self._set
        answer = self._ask()
        return None if answer is None else checked_address(answer)

    def set(self, address: str | None) -> None:
        """Take an address, or None to go back to asking; raises ValueError naming what an address must be."""
        self._set = None if address is None else checked_address(address)


def checked_address(address: str) -> str:
    """The address without slashes at its end; raises ValueError when forms can't be posted below it."""
    wrong = ValueError(
        f"{address!r} is not an API address; expected https://… (http:// only for 127.0.0.1 and localhost) "
        "without user name, query or fragment"
    )
    if any(character.isspace() or not character.isprintable() for character in address):
        raise wrong
    try:
        url = urlsplit(address)
        host, port = url.hostname, url.port
    except ValueError:
        raise wrong from None
    secure = url.scheme == "https" or (url.scheme == "http" and host in _LOOPBACK)
    if not secure or not host or port == 0 or "@" in url.netloc or "?" in address or "#" in address:
        raise wrong
    return address.rstrip("/")


def origin_of(address: str) -> str:
    """Scheme, host and port of an address that :func:`checked_address` has passed."""
    url = urlsplit(address)
    return f"{url.scheme}://{url.netloc}"
