"""The site's declaration (``privacy.toml``), and the policy page made from it.

Knows the i18n package and nothing else. In: a TOML file, or the built-in declaration. Out: a validated :class:`Policy`
with the fingerprint of each purpose, the policy page as data, and the frozen versions of that page.
"""
