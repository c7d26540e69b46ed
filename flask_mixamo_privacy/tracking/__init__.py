"""Events: consent gate, append-only log, loader and event store.

An event of a visitor who consented becomes one line of the log, then one row of the database. However often an event is
sent or loaded, it is counted once. The package knows no data subjects. Reports reach the loader through the
:class:`~.loader.Aggregator` protocol.
"""
