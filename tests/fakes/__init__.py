"""Ports in memory that accuse whoever misuses them, and the faults they can be told to have."""
