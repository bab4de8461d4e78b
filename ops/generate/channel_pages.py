"""The tables of docs/channels/ that follow from the declarations of ``chalicelib/adapters/providers/``.

A page of a kind holds them between ``<!-- options -->`` and ``<!-- /options -->``, likewise ``secrets`` and
``answers``; docs/channels/README.md holds ``kinds``. The rest of a page is written by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from chalicelib.adapters.providers import kinds
from chalicelib.logic.channel_kind import ChannelKind, HttpApi, Option
from ops.errors import OpsError

FOLDER = Path("docs/channels")
_CHECKOUT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"<!-- (\w+) -->\n.*?<!-- /\1 -->", re.DOTALL)


def pages() -> dict[Path, str]:
    """Each page with its tables made anew. Raises :class:`OpsError` for a page or a table that is missing."""
    found = {FOLDER / f"{kind.kind}.md": dict(_tables_of(kind)) for kind in kinds().values()}
    found[FOLDER / "README.md"] = {"kinds": table(("kind", "reaches", "secrets", "rings", "pause"), _kinds())}
    return {path: filled(path, tables) for path, tables in found.items()}


def filled(path: Path, tables: dict[str, str]) -> str:
    try:
        text = (_CHECKOUT / path).read_text(encoding="utf-8")
    except FileNotFoundError:
        text = ""
    blocks = [found[1] for found in _BLOCK.finditer(text)]
    if sorted(blocks) != sorted(tables):
        lines = " and ".join(f"<!-- {name} --> with <!-- /{name} --> on a line below" for name in sorted(tables))
        raise OpsError(f"{path} must have, each once, where its table belongs: {lines}")
    return _BLOCK.sub(lambda found: f"<!-- {found[1]} -->\n{tables[found[1]]}\n<!-- /{found[1]} -->", text)


def _tables_of(kind: ChannelKind) -> Iterator[tuple[str, str]]:
    if kind.options:
        yield "options", table(("key", "default", "allowed"), map(_option, kind.options))
    if kind.secrets:
        yield "secrets", table(("secret", "what it holds"), ((f"`{it.name}`", it.doc) for it in kind.secrets))
    if kind.http:
        yield "answers", table(("answer", "means", "because"), _answers(kind.http))


def _option(option: Option) -> tuple[str, ...]:
    default = "required" if option.required else "–" if option.default is None else f"`{json.dumps(option.default)}`"
    return f"`{option.name}`", option.default_doc or default, option.doc


def _answers(http: HttpApi) -> Iterator[tuple[str, ...]]:
    for answer in http.answers:
        name = f"{answer.status}, “{answer.error}”" if answer.error else str(answer.status)
        yield f"[{name}]({answer.source})", answer.meaning.value, answer.doc


def _kinds() -> Iterator[tuple[str, ...]]:
    for kind in kinds().values():
        secrets = ", ".join(f"`{secret.name}`" for secret in kind.secrets) or "–"
        rings = f"{kind.rings.hour} an hour, {kind.rings.day} a day"
        yield f"[`{kind.kind}`]({kind.kind}.md)", kind.reaches, secrets, rings, f"from {kind.shortest_pause} s"


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
