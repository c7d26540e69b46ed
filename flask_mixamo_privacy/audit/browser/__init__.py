"""The browser audit: every kind of visitor visits every page of the running site.

In: a target to audit. Out: plain evidence (requests, stored items, page facts), and the findings that rules draw from it.
"""
