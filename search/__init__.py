"""What a supervisor may ask, and what the archive answers: tokens, projection, query, views."""
