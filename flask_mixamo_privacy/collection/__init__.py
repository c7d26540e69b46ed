"""What comes in at a form, and what goes out."""
