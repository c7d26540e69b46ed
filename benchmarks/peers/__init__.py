"""Comparison with packages for the same purposes, each installed from its registry into ``.bench-peers``.

``python -m benchmarks.peers`` measures everything, and writes ``benchmarks/results.json`` and ``docs/results.md``. Knows of
each package only its documented interface. No code of a package is in this repository.
"""
