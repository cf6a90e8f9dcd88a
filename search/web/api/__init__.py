"""The JSON API of the console: the same functions as its pages, behind the same guards."""
