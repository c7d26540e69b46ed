"""The source scan: templates, scripts and style sheets, compared with the declaration.

In: the site's files. Out: each line that stores, loads or sends what the declaration does not name.
"""
