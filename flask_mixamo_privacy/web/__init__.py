"""Flask: one app's parts, the request at hand, template verbs and views."""
