"""Aggregates in which nobody can be told apart."""
