"""The local AWS: MiniStack, an AWS emulator from PyPI, extended where Herald needs what it lacks.

Start it with ``python -m ops.local.aws --port 4566``. Each module of this package is one extension: it names the page
of AWS documentation that it follows, lists in ``EXTENDS`` the parts of MiniStack that it replaces or calls, and has an
``install()``. ``pin`` refuses to start when one of these parts has changed. docs/local-stack.md lists the extensions,
and what still differs from AWS.
"""
