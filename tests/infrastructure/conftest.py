"""Tests of what is deployed: policies, templates, imports and the zip."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # parliament leaves two of its own files open while it is imported, and stands on a part of setuptools that is old.
    warnings.simplefilter("ignore", ResourceWarning)
    warnings.simplefilter("ignore", DeprecationWarning)
    import parliament as parliament
