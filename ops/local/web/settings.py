"""The settings of the local web server. Nothing here is read from the environment."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

LOCAL_TOKEN = "a" * 30
"""The default application token of the stand-in for Pushover. It gives access to nothing else."""
LOCAL_USER = "u" * 30
"""The default user key of the stand-in for Pushover."""
LOCAL_WEBHOOK_SECRET = "whsec_" + "aGVyYWxk" * 4
"""The key by which the stand-in for webhook receivers verifies signatures. It gives access to nothing else."""

_WEB = Path(__file__).resolve().parents[3] / "web"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def not_known_yet() -> str | None:
    """Return None: the API's address is unknown until :meth:`ApiAddress.set` is called."""
    return None


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Settings of :func:`ops.local.web.app.create_app`."""

    api: Callable[[], str | None] = not_known_yet
    """Returns the API's address without ``/contact``, or None while nothing is deployed. Called for each page."""
    site_directory: Path = _WEB / "site"
    phone_directory: Path = _WEB / "phone"
    token: str = LOCAL_TOKEN
    """The only application token that the stand-in accepts: 30 characters of ``[A-Za-z0-9]``."""
    users: tuple[str, ...] = (LOCAL_USER,)
    """The user keys that the stand-in accepts, in the same form as the token."""
    devices: tuple[str, ...] = ("phone",)
    """The devices that ``users/validate.json`` returns for each user."""
    app_name: str = "Herald"
    """The application's name. Pushover uses it as the title of a message without one."""
    quota: int = 10_000
    """Messages a month. Pushover's free quota is 10,000."""
    clock: Callable[[], float] = time.time
    """Seconds since the epoch."""


class ApiAddress:
    """The API's address: the one last set, or else the result of the settings' callable."""

    def __init__(self, ask: Callable[[], str | None]) -> None:
        self._ask = ask
        self._set: str | None = None

    def get(self) -> str | None:
        """Return the address without a slash at its end, or None.

        Raises ValueError if the callable returns an invalid one.
        """
        if self._set is not None:
            return self._set
        answer = self._ask()
        return None if answer is None else checked_address(answer)

    def set(self, address: str | None) -> None:
        """Set the address; None returns to the callable. Raises ValueError that describes a valid address."""
        self._set = None if address is None else checked_address(address)


def checked_address(address: str) -> str:
    """Return the address without slashes at its end. Raises ValueError if forms can't be posted below it."""
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
