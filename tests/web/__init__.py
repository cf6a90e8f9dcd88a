"""The console without a browser: who gets where, and what a page is made of."""
