from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.forms import browsers
from tests.forms.browsers import Window
from tests.forms.site import Site, serving


@pytest.fixture(scope="package")
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


# Not for the session: until it is closed, Playwright keeps an event loop running in this thread.
@pytest.fixture(scope="package")
def windows() -> Iterator[dict[bool, Window]]:
    """Windows of Chromium, with and without JavaScript."""
    with browsers.chromium() as windows:
        yield windows
