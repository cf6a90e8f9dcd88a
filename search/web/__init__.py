"""The console: pages for people, behind one guard."""
