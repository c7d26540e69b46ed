"""Marketing permission, unsubscribing, outgoing mail and the inbox.

Knows the policy, the ledger and the data subject requests. In: an address and a mailing list, a message to send, or a
message received. Out: whether the mail may leave and why not, the unsubscribe headers, and an opt-out, a request or a note
for the operator.
"""
