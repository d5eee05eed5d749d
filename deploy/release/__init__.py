"""What a release is checked for and comes with."""
