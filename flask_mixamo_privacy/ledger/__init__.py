"""The tamper-evident record of decisions, erasures, opt-outs and accesses.

Knows the storage package. In: a kind, a subject and a detail. Out: one entry in a chain of keyed hashes, written in the
caller's request or spooled; :mod:`.verify` names the first position at which the chain is broken.
"""
