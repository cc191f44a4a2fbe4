"""Keys for the broker: a seed that proves who somebody is, and the public key that the broker knows them by."""

import secrets
from typing import Final

import nkeys

_ENTROPY_BYTES: Final = 32


def new_seed() -> str:
    """Make the secret of a user's key."""
    return bytes(nkeys.encode_seed(secrets.token_bytes(_ENTROPY_BYTES), nkeys.PREFIX_BYTE_USER)).decode()


def public_key(seed: str) -> str:
    """Tell the public key of a seed.

    Raises:
        ValueError: it is none.
    """
    try:
        return bytes(nkeys.from_seed(seed.encode()).public_key).decode()
    except (nkeys.NkeysError, ValueError) as error:
        raise ValueError(str(error) or "it is not the seed of a key") from error
