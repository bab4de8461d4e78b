"""Benchmarks of Herald's time, memory and cost, compared with common alternatives. Run them with ``make bench``.

None of this is deployed. None of it is a test: no test asserts a duration. docs/benchmarks.md describes the method.
"""
