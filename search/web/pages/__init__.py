"""What each route answers with, one kind of page a file."""
