"""The machine interface, through the executable as a user starts it."""
