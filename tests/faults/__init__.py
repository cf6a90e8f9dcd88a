"""Faults: what is lost, doubled or left open when something ends at the wrong moment."""
