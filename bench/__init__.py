"""What Herald costs in time, memory and money, measured beside what people would pick instead: ``make bench``.

Nothing here is shipped, and nothing here is a test: a test asserts no time. docs/benchmarks.md says how it is measured.
"""
