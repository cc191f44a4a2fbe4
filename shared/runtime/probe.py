"""`python -m shared.runtime.probe [PATH]`: asks this container's own service whether it is well; exit code 0 or 1.

Run by the engine every few seconds, so it imports next to nothing, not even `typing`.
"""

import os
import socket
import sys

TIMEOUT_S = 3.0
_READY = "/health/ready"
_MOST_BYTES = 8_192


def main() -> int:
    """Ask once; say what was answered, where it is not 200."""
    path = sys.argv[1] if len(sys.argv) > 1 else _READY
    try:
        answer = ask(int(os.environ.get("PARLEY_HTTP_PORT", "8080")), path)
    except OSError as error:
        sys.stdout.write(f"no answer: {error}\n")
        return 1
    head, _, body = answer.partition(b"\r\n\r\n")
    if head.split(b" ", 2)[1:2] == [b"200"]:
        return 0
    sys.stdout.write((body or head).decode(errors="replace") + "\n")
    return 1


def ask(port: int, path: str) -> bytes:
    """Return what the service on this machine's loopback answers.

    Raises:
        OSError: it does not answer.
    """
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
        connection.sendall(request.encode())
        while len(answer) < _MOST_BYTES and (part := connection.recv(_MOST_BYTES)):
            answer += part
    return answer


if __name__ == "__main__":
    sys.exit(main())
