"""Reads the site's templates, JavaScript and CSS for what they load, store and run, without running them."""
