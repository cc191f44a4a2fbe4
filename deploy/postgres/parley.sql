-- Run once, when the server makes its data directory: the project's own role and database. The superuser then has no
-- password, so it signs in from inside the container alone: docker compose exec postgres psql
\set password `cat /run/secrets/postgres_password`
CREATE ROLE parley LOGIN PASSWORD :'password';
CREATE DATABASE parley OWNER parley;
ALTER ROLE postgres PASSWORD NULL;
