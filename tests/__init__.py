"""The tests; never installed. They mirror the packages and may import everything."""
