"""Review: states, rules, claims, the desk and its reports."""
