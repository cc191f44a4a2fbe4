"""The broker of an installation: its config files, who may connect, and what each of them may do."""
