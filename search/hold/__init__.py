"""Legal holds as people and processes ask about them.

Owns the way from the index to what `archive/holds.py` means: the acts on record, where messages of
a scope lie, and who may place and release.
"""
