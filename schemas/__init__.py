"""Types, names and rules without IO, shared by every package."""
