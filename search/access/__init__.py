"""Who may see what: roles, scopes, walls, and the people who sign in.

Pure but for ports. The first rule of this package: what a person may not see is no part of any
answer, so a scope is ANDed to every question before an index is asked.
"""
