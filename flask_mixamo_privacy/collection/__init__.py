"""Forms: the notice at a collection point, the submission, and what leaves for a recipient.

Knows the policy, the ledger and mail permission, and no HTTP request. In: the fields that a form sent, and what is known
of the data subject. Out: the declared fields, an entry in the ledger, the opt-ins, or the first problem with the form.
"""
