"""Flask: the runtime of one app, the context of one request, template verbs and views.

The only package that knows Flask, Werkzeug and Flask-Login; it may import every package except ``audit`` and ``cli``. In: a
request. Out: the banner, tags and pages, our cookies, caching and CSP headers, and a page view in the log.
:mod:`.runtime` puts the parts of an app together, and :mod:`.response` ends each request.
"""
