"""Tests of the drivers and of the composition."""
