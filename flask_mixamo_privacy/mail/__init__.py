"""Marketing permission, unsubscribing, outgoing mail and the inbox.

Knows the policy, the ledger and the data subject requests.

In: an address and a mailing list, a message to send, or a received message.
Out: the permission with its reason, the unsubscribe headers, and an opt-out or a request.
"""
