"""Take a page of HTML apart as a browser does: Herald's page of what is wrong with a submission."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

from chalicelib.logic.form_body import Pairs

VOID = {"meta", "input"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, *tags: str) -> list[Element]:
        """Return the elements of these tags in it, in the order of the page."""
        return [found for child in self.children for found in [*[child] * (child.tag in tags), *child.all(*tags)]]

    def said(self) -> str:
        return self.text + "".join(child.said() for child in self.children)


class Page(HTMLParser):
    """Takes a page apart as a browser does, and accepts no mistake."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.top = Element("", {})
        self._open = [self.top]
        self.feed(html)
        self.close()
        assert self._open == [self.top], "an element was not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self._open[-1].text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment")

    def handle_pi(self, data: str) -> None:
        raise AssertionError("a processing instruction")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError("a declaration")

    @property
    def controls(self) -> list[Element]:
        return self.top.all("input", "textarea")

    @property
    def sent_again(self) -> Pairs:
        """What the form sends, as a browser reads it."""
        return [(each.attributes["name"], value_of(each)) for each in self.controls]

    def control(self, name: str) -> Element:
        [found] = [each for each in self.controls if each.attributes["name"] == name]
        return found

    def by_id(self, identifier: str) -> Element:
        elements = self.top.all("p", "input", "textarea")
        [found] = [each for each in elements if each.attributes.get("id") == identifier]
        return found

    def label(self, control: Element) -> str:
        [found] = [each for each in self.top.all("label") if each.attributes["for"] == control.attributes["id"]]
        return found.said()

    # What the tests of a handler ask of it.

    @property
    def language(self) -> str:
        return self.top.all("html")[0].attributes["lang"]

    @property
    def heading(self) -> str:
        return "".join(each.said() for each in self.top.all("h1"))

    @property
    def values(self) -> dict[str, str]:
        return dict(self.sent_again)

    @property
    def hidden(self) -> set[str]:
        return {each.attributes["name"] for each in self.controls if each.attributes.get("type") == "hidden"}

    @property
    def focus(self) -> list[str]:
        return [each.attributes["name"] for each in self.controls if "autofocus" in each.attributes]

    @property
    def errors(self) -> dict[str, str]:
        """The error beside a field, by the field's name."""
        wrong = (each.attributes for each in self.controls if "aria-invalid" in each.attributes)
        return {it["name"]: self.by_id(it["aria-describedby"]).said() for it in wrong}

    @property
    def general(self) -> list[str]:
        """The errors of no field."""
        errors = (each for each in self.top.all("p") if each.attributes.get("class") == "error")
        return [each.said() for each in errors if "id" not in each.attributes]


def value_of(control: Element) -> str:
    # HTML, 13.1.2.5: a line break right after the tag of a text area is not a part of its text.
    return control.attributes.get("value", "") if control.tag == "input" else control.said().removeprefix("\n")
