"""What each verb of the command line does; `infra/commands/` declares them."""
