"""Processes: their frame, their sockets, their logs, their configuration."""
