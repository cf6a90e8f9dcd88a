"""The real servers: they come up, do real work, and leave nothing behind."""
