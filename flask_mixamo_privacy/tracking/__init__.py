"""Events: the gate that drops what was not granted, the log, the loader and the event store.

Knows the policy, consent and the storage package, and no data subject. In: an event of a visitor who consented. Out: one
line in an append-only log, then one row in the database, counted once however often it is sent or loaded. Reports reach
the loader through the :class:`~.loader.Aggregator` protocol.
"""
