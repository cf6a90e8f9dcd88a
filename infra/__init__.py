"""Drivers, configuration and composition: the only package that touches the outside world."""
