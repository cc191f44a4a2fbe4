"""Who may come in: what a request proves, where it comes from, how often it may try."""
