"""Tests of search: words, projection, query, index, views."""
