"""What delivery decides, as values and functions without a clock: of commands, and of attempts to reach somebody."""
