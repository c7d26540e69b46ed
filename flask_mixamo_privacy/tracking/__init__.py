"""From an event to a report: the gate, the log, its loader, the store, the reports. Nothing here imports Flask."""
