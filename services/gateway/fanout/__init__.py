"""From delivery's announcements to the sockets that want them; and what is told to many sockets at once."""
