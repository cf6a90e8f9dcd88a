"""The transparency log: one leaf per archived cell, in C2SP's formats (docs/FORMAT.md §14)."""
