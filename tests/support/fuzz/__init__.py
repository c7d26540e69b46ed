"""The fuzzer: hostile inputs for everything that reads what visitors, senders and operators write.

A fault is an exception or a 5xx, a grant, an event without consent, or personal data in the log. So is an input of 8 KB
that takes more than 50 ms.
"""
