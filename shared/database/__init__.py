"""The one database: its engines, its tables, its migrations. Each table is written by one service."""
