"""All SQL of the gateway, by noun; whoever asks takes it from here."""

from services.gateway.store.accounts import Accounts, Credentials
from services.gateway.store.belongings import Belongings, MemberSettings, RefusedMessage
from services.gateway.store.database import Database
from services.gateway.store.sign_ins import USED_EVERY_MS, ListedSignIn, Proof, SignIn, hash_secret

__all__ = [
    "USED_EVERY_MS", "Accounts", "Belongings", "Credentials", "Database", "ListedSignIn", "MemberSettings", "Proof",
    "RefusedMessage", "SignIn", "hash_secret",
]  # fmt: skip
