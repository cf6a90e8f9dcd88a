"""Exports: what leaves the archive for a court or the other side, and how it proves itself.

Owns the package (docs/FORMAT.md §17): what is chosen, how each format shows it, and the proof.
"""
