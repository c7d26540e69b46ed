"""What a person may ask for: to see, to correct, to delete, to restrict, to object; and that it stays so after a restore."""
