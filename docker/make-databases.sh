#!/bin/bash
# Makes what isn't there: a database for development, and the user as whom Grafana reads readings. Runs on an empty
# PostgreSQL; again by hand: docker compose exec database /docker-entrypoint-initdb.d/make-databases.sh
set -euo pipefail

psql --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" --quiet --set=ON_ERROR_STOP=1 \
  --set=password="$(cat /secrets/monitoring/readings_password)" <<'SQL'
select 'create database ents_dev' where not exists (select from pg_database where datname = 'ents_dev') \gexec
select 'create role ents_reader nologin' where not exists (select from pg_roles where rolname = 'ents_reader') \gexec
select format('create role grafana login password %L in role ents_reader', :'password')
where not exists (select from pg_roles where rolname = 'grafana') \gexec
SQL
