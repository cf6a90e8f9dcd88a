"""The whole line at work: real processes, real doors, embedded and on the real servers."""
