"""Aggregates in which no visitor can be distinguished.

Knows the event store and the decisions of the ledger. In: the events of a closed window. Out: published tables whose small
cells are suppressed, and the reports, charts and CSV files read from them. :mod:`.disclosure_control` holds the rule.
"""
