"""One suite per port, run on the fake, the embedded and the real driver."""
