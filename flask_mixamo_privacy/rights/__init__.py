"""Data subject requests: access, correction, erasure, and their replay after a restore.

This package knows the policy, the ledger and the personal data stores. Its input is a request, an e-mail address or a user
id. Its output is the data of one data subject: exported, corrected or erased in every store. A request is answered within
the period that the law allows. Mail is sent by a function that the caller passes in.
"""
