"""Benchmarks of the extension, compared with the budgets of its design.

Run all with ``python -m benchmarks``, or some by name with ``python -m benchmarks page``.
"""
