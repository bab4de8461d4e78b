"""The packages that Lambda's Python runtime adds to the standard library: boto3 and its dependencies.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html (runtime-included SDKs)
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ops.deploy.package_contents import RUNTIME_PACKAGES as RUNTIME_PACKAGES


def link_runtime_packages(folder: Path) -> None:
    """Fill ``folder`` with links to the installed packages, so that it resembles ``/var/runtime``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in RUNTIME_PACKAGES:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise RuntimeError(f"{name} is not installed; run: make setup")
        origin = Path(spec.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        link = folder / source.name
        link.unlink(missing_ok=True)
        link.symlink_to(source)
