"""The words of the command line, group by group; `infra/cli.py` puts them together."""
