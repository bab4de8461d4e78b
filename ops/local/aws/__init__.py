"""The local AWS: MiniStack, an AWS emulator from PyPI, with the gaps closed that Herald would fall into.

Start it with ``python -m ops.local.aws --port 4566``. Each gap is closed by one module of this package, which names the
page of AWS documentation that it follows, lists in ``EXTENDS`` the parts of MiniStack that it replaces or calls, and
has an ``install()``. ``pin`` refuses to start when one of those parts is not the one that was extended.
docs/local-stack.md has the table, and what still differs from AWS.
"""
