"""The audit: a running site held against its declaration in a real browser."""
