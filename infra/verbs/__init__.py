"""What each verb of the command line does; `infra/cli.py` declares them."""
