"""A week of a small law firm, played through the real doors (`counterfoil demo`)."""
