"""The manifest of functions of your own, in the same words as Herald's: docs/own-function.md.

A stage has those that ``functions`` of its table in ``herald.toml`` names.
"""

from chalicelib.function_spec import FunctionSpec

OWN: tuple[FunctionSpec, ...] = ()
