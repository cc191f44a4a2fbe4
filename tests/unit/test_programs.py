"""What the launcher tells the services."""

from pathlib import Path

from deploy.local.programs import programs
from deploy.local.settings import Settings
from services.delivery.settings import Settings as DeliverySettings
from shared.runtime.settings import from_env


def test_services_understand_what_they_are_told_of_a_database_whose_address_is_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "database_url"
    file.write_text("postgresql+asyncpg://parley:s3cr3t-word@postgres/parley\n")
    environ = {"PARLEY_DATABASE_URL_FILE": str(file)}
    settings = from_env(Settings, environ)
    for program in programs(settings, environ):
        assert from_env(DeliverySettings, program.environ).database_url == file.read_text().strip()
