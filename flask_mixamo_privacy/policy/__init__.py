"""The site's declaration (``privacy.toml``), and the policy page derived from it.

Imports only the i18n package. Input: a TOML file, or the built-in declaration. Output: a validated :class:`Policy` with a
fingerprint of each purpose, the policy page as data, and the frozen versions of that page.
"""
