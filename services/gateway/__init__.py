"""The gateway: accounts, HTTP and sockets; the only part that clients talk to."""
