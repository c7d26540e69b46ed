"""Forms: the notice at a collection point, the submission, and disclosures to a recipient.

Uses the policy, the ledger and mail permission; handles no HTTP request. Input: the fields of a submitted form, and facts
about the data subject. Output: the declared fields, a ledger entry, the opt-ins, or the first problem with the form.
"""
