"""The blog's page with another package, each for the Python of that package's own environment."""
