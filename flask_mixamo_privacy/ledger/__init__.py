"""The tamper-evident record of decisions, erasures, opt-outs and accesses.

Uses the storage package. Input: a kind, a subject and a detail. Output: one entry in a chain of keyed hashes, written in
the caller's request or spooled. :mod:`.verify` returns the first position at which the chain is broken.
"""
