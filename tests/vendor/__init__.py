"""Provider payloads and the events they must become."""
