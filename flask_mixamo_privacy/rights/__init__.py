"""Data subject requests: access, correction, erasure, and their replay after a restore.

Knows the policy, the ledger and the stores of personal data, each behind the ``PersonalStore`` protocol. In: a request, or
an e-mail address or user id. Out: what each store holds, changed or erased about that data subject, and an answer within
the period that the law allows. Sends mail through a function that it is given.
"""
