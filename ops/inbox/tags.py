"""Elements of HTML and SVG. The standard library writes them, and escapes every text and attribute as it does."""

from __future__ import annotations

from typing import TypeAlias
from xml.etree.ElementTree import Element, tostring

Content: TypeAlias = Element | str | None
"""A child of an element: another one, a text, or nothing."""

_NEVER = frozenset({"script", "style", "iframe", "object", "embed"})
"""What these hold is not text, and is not escaped."""


def tag(name: str, /, *content: Content, **attributes: str | int | bool | None) -> Element:
    """An element.

    An attribute that is a word of Python takes an underscore at its end, and a hyphen is an underscore: ``class_``,
    ``aria_label``. False and None leave an attribute away, True makes one without a value.
    """
    if name in _NEVER:
        raise ValueError(f"{name}: this page has none")
    element = Element(name)
    for key, value in attributes.items():
        if value is not None and value is not False:
            element.set(key.rstrip("_").replace("_", "-"), "" if value is True else str(value))
    return into(element, *content)


def into(element: Element, *content: Content) -> Element:
    """The element, with this behind what it holds."""
    for child in content:
        if isinstance(child, Element):
            element.append(child)
        elif child and len(element):
            element[-1].tail = (element[-1].tail or "") + child
        elif child:
            element.text = (element.text or "") + child
    return element


def document(root: Element) -> bytes:
    """The page as it is sent."""
    return b"<!doctype html>\n" + tostring(root, encoding="unicode", method="html").encode(errors="replace")
