"""The drivers that need no server: SQLite log, write-once folder, key files."""
