"""What of a package is needed follows from its imports; what would be looked for in vain is named."""

from __future__ import annotations

import pytest

from ops.deploy.package_contents import RUNTIME_PACKAGES, contents

LIBRARY = {
    "lib/__init__.py": "from lib.core import run\n__version__ = 1",
    "lib/core/__init__.py": "def run():\n    from lib.lazy import more",
    "lib/core/beside.py": "",
    "lib/core/data/table.json": "{}",
    "lib/lazy/__init__.py": "more = 1",
    "lib/unused/__init__.py": "",
    "lib/unused/deep/thing.py": "",
    "lib-1.0.dist-info/METADATA": "",
    "lib-1.0.dist-info/RECORD": "lib/__init__.py,sha256=x,1\nlib-1.0.dist-info/METADATA,,\n",
    "other/__init__.py": "",
    "other-2.0.dist-info/METADATA": "",
    "other-2.0.dist-info/RECORD": "other/__init__.py,sha256=x,1\nother-2.0.dist-info/METADATA,,\n",
    "single.py": "",
}


def found(app: str, **more: str) -> tuple[set[str], list[tuple[str, str]]]:
    """The files of the library that are needed, and what is missing and where; ``a__b`` is ``a/b.py``."""
    files = {**LIBRARY, "app.py": app, **{f"{name.replace('__', '/', 1)}.py": text for name, text in more.items()}}
    ours = [name for name in files if name == "app.py" or name.startswith("chalicelib/")]
    it = contents({name: text.encode() for name, text in files.items()}, ours)
    assert set(ours) <= it.needed
    return set(it.needed & set(LIBRARY)), [(each.module, each.importer) for each in it.missing]


CORE = {name for name in LIBRARY if name.startswith(("lib/core/", "lib/lazy/", "lib-"))} | {"lib/__init__.py"}


@pytest.mark.parametrize("app", [
    "import lib", "from lib import run", "def handler():\n    import lib.core",
    "import importlib as i\ni.import_module('lib')",
])  # fmt: skip
def test_a_folder_is_packed_if_any_module_of_it_can_be_imported_and_a_library_if_any_folder_is(app: str) -> None:
    assert found(app) == (CORE, [])


def test_what_nobody_imports_is_left_out_with_what_says_that_it_is_there() -> None:
    assert found("") == (set(), [])
    assert found("import single, other")[0] == {name for name in LIBRARY if name.startswith(("single", "other"))}


def test_more_is_packed_once_it_is_imported() -> None:
    needed, missing = found("from lib.unused.deep import thing")
    assert needed == CORE | {"lib/unused/__init__.py", "lib/unused/deep/thing.py"}
    assert not missing
    assert found("", chalicelib__mine="from lib import unused")[0] == CORE | {"lib/unused/__init__.py"}


@pytest.mark.parametrize(
    "statement",
    [
        "import click",
        "from click import echo",
        "def handler():\n    import click.core",
        "class It:\n    def run(self):\n        from click import echo",
        "if stage.asks_for_proof:\n    import click",
        "try:\n    import click\nexcept ValueError:\n    pass",
        "try:\n    import click\nexcept ImportError as error:\n    raise RuntimeError('install click') from error",
        "try:\n    pass\nfinally:\n    import click",
        "from importlib import import_module\nimport_module('click')",
        "from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n    import click",
        "with open('x') as file:\n    import click",
        "match x:\n    case 1:\n        import click",
    ],
)
def test_what_a_function_can_import_and_is_not_packed_is_missing(statement: str) -> None:
    ((module, importer),) = found("", chalicelib__mine=statement)[1]
    assert (module.partition(".")[0], importer) == ("click", "chalicelib/mine.py")


@pytest.mark.parametrize(
    "statement",
    [
        "try:\n    import click\nexcept ImportError:\n    click = None",
        "try:\n    import click\nexcept (ValueError, ModuleNotFoundError):\n    click = None",
        "try:\n    import single\nexcept ImportError:\n    import click",
        "from contextlib import suppress\nwith suppress(ImportError):\n    import click",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import click",
        "import typing\nif typing.TYPE_CHECKING:\n    from click import echo",
        "import sys\nif sys.version_info < (3, 11):\n    import click",
        "import os\nif 'AWS_CHALICE_CLI_MODE' in os.environ:\n    from ops import check",
        "import json, os.path, xml.etree.ElementTree",
        f"import {', '.join(RUNTIME_PACKAGES)}, botocore.config",
        "from . import other_of_ours",
        "from .other_of_ours import anything",
        "from lib import __version__",
    ],
)
def test_what_is_optional_or_brought_by_lambda_or_ours_is_not_missing(statement: str) -> None:
    assert found("", chalicelib____init__="", chalicelib__mine=statement, chalicelib__other_of_ours="")[1] == []


@pytest.mark.parametrize("statement", ["from lib import gone", "import lib.gone", "from lib.core import gone"])
def test_a_part_that_a_library_has_in_the_checkout_alone_is_missing(statement: str) -> None:
    ((module, _),) = found(statement)[1]
    assert module.endswith(".gone")


def test_what_a_library_needs_to_be_imported_is_missing_and_says_who_needs_the_library() -> None:
    files = {"app.py": "import chalicelib.mine", "chalicelib/mine.py": "from lib import model", "lib/__init__.py": ""}
    files["lib/model.py"] = "import pydantic"
    it = contents({name: text.encode() for name, text in files.items()}, ["app.py", "chalicelib/mine.py"])
    (missing,) = map(str, it.missing)
    assert missing.startswith(
        "lib/model.py (needed by chalicelib/mine.py) imports pydantic, which is not in the package"
    )


OPTIONAL = """
from lib.speedups import fast

def dump():
    import yaml

class Tracer(Base):
    def start(self):
        from aws_xray_sdk.core import recorder

try:
    import ujson
except ImportError:
    import json as ujson

if x:
    import other_speedups
"""


@pytest.mark.parametrize(
    ("app", "missing"),
    [
        ("import lib.optional", []),
        ("from lib.optional import fast", []),
        ("from lib.optional import Tracer", [("aws_xray_sdk.core", "lib/optional.py")]),
        ("from lib.again import Trace", [("aws_xray_sdk.core", "lib/optional.py")]),
        ("from lib.optional import dump", [("yaml", "lib/optional.py")]),
        ("try:\n    from lib.optional import Tracer\nexcept ImportError:\n    pass", []),
    ],
)
def test_what_a_library_imports_later_is_missing_only_for_what_is_taken_from_it(
    app: str, missing: list[tuple[str, str]]
) -> None:
    more = {"lib__optional": OPTIONAL, "lib__speedups": "fast = 1"}
    assert found(app, **more, lib__again="from lib.optional import Tracer as Trace")[1] == missing


def test_what_can_t_be_imported_anyway_is_not_packed_for_a_library_that_would_try() -> None:
    more = {"lib__unused/models": "import pydantic", "lib__core/more": "def run():\n    import lib.unused.models"}
    assert "lib/unused/__init__.py" not in found("import lib.core.more", **more)[0]
    assert "lib/unused/__init__.py" in found("import lib.core.more", **more, pydantic____init__="")[0]


@pytest.mark.parametrize(
    ("statement", "needed"),
    [
        ("import importlib\nimportlib.import_module(name)", {"lib/unused/__init__.py", "lib/unused/deep/thing.py"}),
        ("__import__('lib.%s' % name)", {"lib/unused/__init__.py", "lib/unused/deep/thing.py"}),
        ("import importlib\nimportlib.import_module(f'{__name__}.x')", set()),
    ],
)
def test_a_library_that_imports_by_names_of_its_making_stays_whole(statement: str, needed: set[str]) -> None:
    assert found("import lib.core.by_name", **{"lib__core/by_name": statement})[0] == CORE | needed
