"""Policies: what flags a message for a person to look at, and which of the rest is sampled."""
