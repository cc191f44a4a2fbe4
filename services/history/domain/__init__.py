"""What history decides: pure functions from what was asked and read to what is answered."""
