"""What a user could take instead, as a competent user would write it."""
