"""Compare the functions that ``app.py`` registers with those that the manifest declares.

Chalice's process imports this module beside the code that it deploys, so it imports nothing else of Herald.
"""

from __future__ import annotations

from typing import Any


def registered(app: Any) -> set[str]:
    """The names of the functions that a Chalice app registers; its routes are the one function ``api_handler``."""
    names = {function.name for function in (*app.event_sources, *app.pure_lambda_functions)}
    return names | ({"api_handler"} if app.routes else set())


def undeclared(registered: set[str], declared: set[str]) -> list[str]:
    """A sentence for each function that only one of ``app.py`` and the manifest has."""
    manifest = "chalicelib/functions.py"
    return [
        *(f"app.py registers {name}, which {manifest} lacks" for name in sorted(registered - declared)),
        *(f"{manifest} declares {name}, which app.py lacks" for name in sorted(declared - registered)),
    ]
