"""A site under load whose processes, databases, disks and clock fail, and a check after each failure.

`make torture` runs everything, and `tests/server/test_torture.py` a small part. Each run prints its seed and its counts.
"""
