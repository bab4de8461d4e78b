"""Tests of what is deployed: policies, templates, imports and the zip."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # parliament leaves two of its own files open while it is imported, stands on a part of setuptools that is old, and
    # has patterns of which Python 3.12 says that they hold unknown escapes, where it compiles them.
    warnings.simplefilter("ignore", ResourceWarning)
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.simplefilter("ignore", SyntaxWarning)
    import parliament as parliament
