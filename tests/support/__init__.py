"""Sites, messages and tools that several tests share."""
