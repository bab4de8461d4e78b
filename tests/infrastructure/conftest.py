"""Tests of what is deployed: policies, templates, imports and the zip."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # parliament leaves two of its own files open while it is imported.
    warnings.simplefilter("ignore", ResourceWarning)
    # It imports pkg_resources, of which newer releases of setuptools warn.
    warnings.simplefilter("ignore", DeprecationWarning)
    import parliament as parliament
