"""What the scripts of other services take for success: by what a form sends, what its answer has besides Herald's own.

Sources: @formspree/core, https://docs.usebasin.com/guides/form-features/ajax (Basin: status 200, ``error``; its older
scripts ``success``), scripts of public sites that send to Getform (``ok`` or ``error``: its documentation could not be
read), https://docs.web3forms.com/how-to-guides/html-and-javascript, https://formsubmit.co/ajax-documentation
(``success`` is a text), https://docs.netlify.com/manage/forms/setup/#submit-html-forms-with-ajax (the status alone).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from chalicelib.logic.form_body import Pairs

F_PATH = "/f/"
"""How the addresses begin that Formspree, Basin and Getform have in common."""
ExtraKeys = Callable[[str, int], Mapping[str, object]]
"""Make the keys that an answer has besides Herald's own, from the sentence for people and the status."""


class FormService(NamedTuple):
    """The scripts of one service. All of them take status 200 for success, and some take no other."""

    name: str
    success_keys: ExtraKeys
    error_keys: ExtraKeys
    fields: tuple[str, ...] = ()
    """Names of fields in lower case: a form with any of them is the service's."""
    exact_fields: frozenset[str] = frozenset()
    """So is a form with these fields and no other."""
    path: str = ""
    """So is a form that is sent to an address whose path begins like this."""
    accepts_any_text_as_email: bool = False
    """Whether its senders write anything where they have no e-mail address, such as "n/a"."""

    def recognizes(self, path: str, names: set[str]) -> bool:
        """Whether a form was written for the service; ``names`` are those of its fields, in lower case."""
        below = self.path and path.startswith(self.path)
        return bool(below or not names.isdisjoint(self.fields) or (names and names == self.exact_fields))


def _no_keys(text: str, status: int) -> Mapping[str, object]:
    return {}


FORM_SERVICES = (
    FormService(
        "Formspree, Basin and Getform",
        lambda text, status: {"ok": True, "success": True, "message": text},
        lambda text, status: {"error": text, "message": text},
        path=F_PATH,
    ),
    FormService(
        "Web3Forms",
        lambda text, status: {"success": True, "message": text},
        lambda text, status: {"success": False, "message": text},
        fields=("access_key", "apikey"),
    ),
    FormService(
        "FormSubmit",
        lambda text, status: {"success": "true", "message": text},
        lambda text, status: {"success": "false", "message": text},
        fields=("_captcha", "_template", "_honey", "_blacklist", "_autoresponse"),
    ),
    FormService("Netlify", _no_keys, _no_keys, fields=("form-name",)),
    FormService(
        "Herald's predecessor",
        lambda text, status: {"http_code": status, "message": text},
        lambda text, status: {"http_code": status, "error": text},
        exact_fields=frozenset(("source", "name", "email", "description")),
        accepts_any_text_as_email=True,
    ),
)


def emulated_form_services(path: str, pairs: Pairs) -> list[FormService]:
    """The services that Herald emulates for a form, as it was written for them: mostly none, two where it says so."""
    names = {name.lower() for name, _ in pairs}
    return [service for service in FORM_SERVICES if service.recognizes(path, names)]
