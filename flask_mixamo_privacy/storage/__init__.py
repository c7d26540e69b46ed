"""Databases, keys, spools and moments."""
