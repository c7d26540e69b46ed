"""Databases, keys, private files, bounded memory and the clock.

Uses no policy, visitor or request. Input: a database URL, a folder, a secret. Output: transactions, keyed pseudonyms of a
data subject under one spelling, a spool for entries that wait for a database, and the current time as text. A database can
be moved to another URL.
"""
