"""The visitor's decision, its proof and its consequences.

Uses the policy and the ledger. Events and cookies are passed in as arguments. Input: the text of a consent cookie, a
choice, and the text that was shown. Output: what is allowed now, the record to set, the ledger entry, and the receipt.
:mod:`.recording` keeps the order of a decision: erase, spool, ledger. Only a grant can fail.
"""
