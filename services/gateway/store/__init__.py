"""All SQL of the gateway, by noun; whoever asks takes it from here."""

from services.gateway.store.accounts import MAX_SEEN, Accounts, Credentials, Profile
from services.gateway.store.administration import Administration, Changed, ListedAccount
from services.gateway.store.belongings import Belongings, MemberSettings, RefusedMessage
from services.gateway.store.database import Database
from services.gateway.store.people import BlockedPerson, FoundPerson, People, Person
from services.gateway.store.sign_ins import USED_EVERY_MS, ListedSignIn, Proof, SignIn, hash_secret

__all__ = [
    "MAX_SEEN", "USED_EVERY_MS", "Accounts", "Administration", "Belongings", "BlockedPerson", "Changed",
    "Credentials", "Database", "FoundPerson", "ListedAccount", "ListedSignIn", "MemberSettings", "People", "Person",
    "Profile", "Proof", "RefusedMessage", "SignIn", "hash_secret",
]  # fmt: skip
