"""In Chromium, Firefox and WebKit: the example page, the page of errors, and a form of each family."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.forms import browsers, visit
from tests.forms.browsers import Window
from tests.forms.catalogue import Form, forms
from tests.forms.site import ROOT, Site
from tests.rehearsal import amount

EXAMPLE = Form(
    family="",
    name="the example page",
    source="",
    html=(ROOT / "web/site/index.html").read_text(encoding="utf-8").replace("{{ herald_api }}/contact", "{action}"),
    fill={"name": "name", "email": "email", "message": "message"},
    extra={"source": "Linden & Loom"},
    accepted="Your message lies on the workbench.",
    refused="At most 500 characters, please.",
)
ONE_OF_EACH = list({form.family: form for form in reversed(forms())}.values())
pytestmark = pytest.mark.full


@pytest.fixture(scope="module", params=["chromium", "firefox", "webkit"])
def window(request: pytest.FixtureRequest) -> Iterator[Window]:
    if request.param == "chromium":
        yield request.getfixturevalue("windows")[True]
    else:
        with getattr(browsers, request.param)() as window:
            yield window


def test_the_example_page_with_its_script(window: Window, site: Site) -> None:
    visit.with_own_script(window, site, EXAMPLE)


def test_the_page_of_errors_keeps_what_was_chosen(window: Window, site: Site) -> None:
    (form,) = (form for form in forms() if form.name == "Strata's elements")
    visit.without_script(window, site, form)


@pytest.mark.rehearse(
    "a form of each family in each of three browsers", "a form that one browser sends otherwise than the others"
)
@pytest.mark.parametrize(
    "form", [pytest.param(form, id=form.family) for form in ONE_OF_EACH[: amount(1, len(ONE_OF_EACH))]]
)
def test_a_form_of_each_family(window: Window, site: Site, form: Form) -> None:
    if form.accepted:
        visit.with_own_script(window, site, form)
    else:
        visit.without_script(window, site, form)
