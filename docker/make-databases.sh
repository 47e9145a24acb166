#!/bin/bash
# Runs once, on an empty PostgreSQL: a database for development, and the user as whom Grafana reads readings.
set -euo pipefail

psql --set=ON_ERROR_STOP=1 --set=password="$(cat /secrets/monitoring/readings_password)" <<'SQL'
create database ents_dev;
create role ents_reader nologin;
create role grafana login password :'password' in role ents_reader;
SQL
