"""From a provider's bytes to a sealed record on the log. Imports schemas only."""
