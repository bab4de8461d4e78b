"""Every form of ``*.toml`` in Chromium: the visitor is told the truth, and the owner receives what was typed."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.forms import visit
from tests.forms.browsers import Window
from tests.forms.catalogue import Form, forms
from tests.forms.site import Site

pytestmark = pytest.mark.full


def named(chosen: Iterable[Form]) -> list[object]:
    return [pytest.param(form, id=f"{form.family}: {form.name}") for form in chosen]


@pytest.mark.parametrize("form", named(form for form in forms() if form.works_without_script))
def test_without_javascript(windows: dict[bool, Window], site: Site, form: Form) -> None:
    visit.without_script(windows[False], site, form)


@pytest.mark.parametrize("form", named(form for form in forms() if form.accepted))
def test_with_its_own_script(windows: dict[bool, Window], site: Site, form: Form) -> None:
    visit.with_own_script(windows[True], site, form)


@pytest.mark.parametrize("form", named(form for form in forms() if not form.accepted))
def test_with_the_script_of_herald(windows: dict[bool, Window], site: Site, form: Form) -> None:
    visit.with_herald_js(windows[True], site, form)
