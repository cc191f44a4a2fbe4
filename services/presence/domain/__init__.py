"""What presence decides: how a user looks to others, and who is there."""
