"""What the site declares, and its page."""
