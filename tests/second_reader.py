"""EXIF data as Pillow reads them, in Herald's normalised form: a second opinion."""

from __future__ import annotations

import io
import warnings
from fractions import Fraction
from typing import Any

from PIL import Image


def normalised(content: bytes) -> dict[str, str]:
    """The tags by Herald's names; empty for what Pillow can't read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(content)) as image:
                data = image.getexif()
                more, place = dict(data.get_ifd(0x8769)), dict(data.get_ifd(0x8825))
        except Exception:
            return {}
    found: dict[str, str] = {}
    for name, values, tag in (
        ("make", data, 0x010F),
        ("model", data, 0x0110),
        ("software", data, 0x0131),
        ("lens", more, 0xA434),
    ):
        text = " ".join(str(values.get(tag, "")).replace("\0", " ").split())
        if text:
            found[name] = text[:100]
    for name, values, tag in (
        ("orientation", data, 0x0112),
        ("width", more, 0xA002),
        ("height", more, 0xA003),
        ("iso", more, 0x8827),
        ("exposure_time", more, 0x829A),
        ("f_number", more, 0x829D),
        ("focal_length", more, 0x920A),
    ):
        if (number := _number(values.get(tag))) is not None:
            found[name] = str(number)
    if (flash := _number(more.get(0x9209))) is not None:
        found["flash"] = "yes" if int(flash) & 1 else "no"
    taken, zone = more.get(0x9003) or "", more.get(0x9011, "")
    if not taken:
        taken, zone = data.get(0x0132) or "", more.get(0x9010, "")
    if len(taken.strip("\0 ")) == 19 and taken[:4] != "0000":
        found["taken_at"] = f"{taken[:10].replace(':', '-')}T{taken[11:19]}{zone.strip(chr(0))}"
    for name, tag in (("latitude", 2), ("longitude", 4)):
        stored = place.get(tag, ())
        given = [_number(value) for value in (stored if isinstance(stored, tuple) else (stored,))]
        parts = [part for part in given if part is not None]
        side = str(place.get(tag - 1, "")).strip("\0 ")[:1]
        if side and parts and len(parts) == len(given):
            degrees = sum((part / 60**at for at, part in enumerate(parts[:3])), Fraction(0))
            found[name] = f"{float(-degrees if side in 'SW' else degrees):.6f}"
    if (altitude := _number(place.get(6))) is not None:
        below = place.get(5) in (1, b"\x01")
        found["altitude"] = f"{float(-altitude if below else altitude):.1f}"
    return found


def _number(value: Any) -> Fraction | None:
    if isinstance(value, tuple):
        value = value[0] if value else None
    try:
        if hasattr(value, "numerator"):
            return Fraction(int(value.numerator), int(value.denominator))
        return None if value is None else Fraction(value)
    except (ArithmeticError, TypeError, ValueError):
        return None
