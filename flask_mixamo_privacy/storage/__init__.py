"""Databases, keys, private files and the clock.

Knows no policy, no visitor and no request. In: a database URL, a folder, a secret. Out: transactions, keyed pseudonyms of
a data subject under one spelling, a spool for what must wait for a database, and the current time as text.
"""
