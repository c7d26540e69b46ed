"""Thirty languages: their catalogues, and who gets which."""
