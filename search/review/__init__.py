"""Review: which messages wait for a person, who decided what, and the evidence of it.

Pure but for ports. A decision is an event on the log like everything else that happens; what is
open and what is closed follows from the set of events, whatever order they come in.
"""
