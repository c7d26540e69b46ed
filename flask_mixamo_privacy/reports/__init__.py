"""Aggregates in which no visitor can be distinguished.

The events of a closed window and the decisions of the ledger become published tables whose small cells are suppressed.
Reports, charts and CSV files are read from these tables. :mod:`.disclosure_control` holds the rule of suppression.
"""
