"""The visitor's decision, its proof and its consequences.

Knows the policy and the ledger; events and cookies reach it as arguments. In: the text of a consent cookie, a choice, and
the text that was shown. Out: what is allowed now, the record to set, the ledger entry, and the receipt.
:mod:`.recording` holds the order of a decision: erase, spool, ledger. Only a grant can fail.
"""
