"""The broker's side as configuration."""
