#!/bin/bash
# Makes the passwords that the containers share, once, each in a file of its own: nobody has to think of one.
set -euo pipefail
umask 077

secret() { # DIRECTORY NAME
  [ -s "$1/$2" ] || { head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$1/$2.part" && mv "$1/$2.part" "$1/$2"; }
}

secret /secrets/database password
secret /secrets/monitoring readings_password
secret /secrets/monitoring metrics_token
secret /secrets/monitoring grafana_password
for database in ents ents_dev; do
  echo "postgres://ents:$(cat /secrets/database/password)@database:5432/$database" >"/secrets/database/url_of_$database"
done
# Read by users of whom only the containers know the number; no other container has these volumes.
chmod -R a+rX /secrets
