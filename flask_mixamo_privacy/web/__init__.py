"""Flask: the runtime of an app, the context of a request, template helpers and views.

The only package that imports Flask, Werkzeug and Flask-Login. It may import every package except ``audit`` and ``cli``.
Input: a request. Output: the banner, tags, pages, signed cookies, caching and CSP headers, and a page view in the log.
:mod:`.runtime` creates the parts of an app, and :mod:`.response` finishes each response.
"""
