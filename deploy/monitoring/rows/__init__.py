"""The rows of the dashboard; each file is what one kind of trouble is looked for in."""
