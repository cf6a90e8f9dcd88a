"""What checks a package without us: `verify.py`, one file that imports the standard library alone.

It is copied into every package and run there by path; nothing of ours may be imported by it.
"""
