"""Sealed events -> immutable, verifiable segments, and back. Imports schemas only."""
