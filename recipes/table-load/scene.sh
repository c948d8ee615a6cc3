# The scene of the check: an environment with its places filled in, and what is looked for in its
# table. Read by `check`.

# --- an environment: the recipe's own files, with these put in their places ------------------------

environment= place= edits=()

# Makes the environment of that name; further edits of products.toml may be in `edits`.
write_config() {
    environment=$1
    place=$folder/$environment
    config=$place/quaymaster.toml
    mkdir -p "$place/conf.d" "$place/secrets"
    sed -e "s|^data = .*|data = \"$place/data\"|" \
        -e "s|^secrets = .*|secrets = \"$place/secrets\"|" \
        -e 's|^address = .*|address = "127.0.0.1:0"|' \
        -e "s|^url = \"file:.*|url = \"file://$place/landing\"|" \
        -e "/^\[bucket/,/^$/s|^region = .*|endpoint = \"$(<"$folder/company-landing.url")\"|" \
        -e "/^\[destination/,/^$/s|^region = .*|region = \"eu-west-1\"\nendpoint = \"$(<"$folder/company-landing.url")\"|" \
        "$here/$environment/quaymaster.toml" >"$config"
    sed -e 's|^host = .*|host = "127.0.0.1"|' \
        -e "s|^port = .*|port = $(<"$folder/mails/port")|" \
        -e 's|^security = .*|security = "plain"|' \
        "${edits[@]}" "$here/products.toml" >"$place/conf.d/products.toml"
    # With types, into the same database.
    cp "$here/offers.toml" "$place/conf.d/"
    sed -n '/^\[destination\.products\]/,$p' "$config" | sed -e '1s|products|offers|' -e '/^declaration/d' \
        >"$place/conf.d/offers-place.toml"
    (umask 077 && echo "host=$database user=quaymaster dbname=products" >"$place/secrets/products-db")
}

# --- files and loads -----------------------------------------------------------------------------

# Puts a sample under that key: `put KEY [SAMPLE]`; without a sample, the one of the key's name.
put() { qm object put --overwrite "$folder/samples/${2-${1##*/}}" "landing/$1"; }
delivery_of() { qm delivery list --limit 1000 | awk -v object=" landing/$1" 'index($0, object) { print $1; exit }'; }
stands() { shows "^$(delivery_of "$2") +$1 " delivery list --limit 1000; }
comes_to() { within 60 stands "$1" "$2"; }
# True if the newest load of that file says so of its rows: `counts KEY READ INSERTED UPDATED UNCHANGED
# REJECTED SUPERSEDED`.
counts() {
    shows "$2 rows read: $3 inserted, $4 updated, $5 unchanged, $6 rejected, $7 superseded" \
        delivery show "$(delivery_of "$1")"
}
# Puts it and waits until its rows are where they belong.
loads() { put "$@" && comes_to delivered "$1"; }
said_by_load() { shows "^status +$2\$" load show "$(delivery_of "$1")"; }
number_of_deliveries() { qm delivery list --limit 1000 | grep -c " landing/$1" || true; }

# --- what is in the table ------------------------------------------------------------------------

engine_of() { case $environment in devl) echo SQLite ;; test) echo PostgreSQL ;; prod) echo DynamoDB ;; esac; }

# The bucket as mails name it.
bucket_of() { case $environment in prod) echo s3://company-landing ;; *) echo s3://landing ;; esac; }

# All rows, a line each; SQL holds no empty text where a cell is empty, but nothing.
rows_of() {
    local table=$1 key=$2
    case $environment in
    devl) python sqlite "$place/products.sqlite" "$table" "$key" ;;
    test) python postgres "$database" "$table" "$key" ;;
    prod) python dynamodb "$(<"$folder/company-landing.url")" "$table" "$key" ;;
    esac
}
rows_in() {
    case $environment in
    prod) python csv "$1" ID ;;
    *) python csv-nulls "$1" ID ;;
    esac
}
python() { "$QM_TEST_PYTHON" "$here/rows.py" "$@"; }
table_is() { diff <(rows_in "$folder/samples/$1") <(rows_of products ID); }
count_rows() { rows_of products ID | wc -l; }
# True if a row of the table matches; `has_no` the opposite.
has() { rows_of "${2-products}" "${3-ID}" >"$folder/rows" && grep -Eq -- "$1" "$folder/rows" || { tail -n 3 "$folder/rows"; return 1; }; }
has_no() { rows_of products ID >"$folder/rows" && ! grep -E -- "$1" "$folder/rows"; }

# --- rejected rows -------------------------------------------------------------------------------

# The rejected rows of the newest load of that file.
rejects_of() { qm object get "landing/invalid-records/$(delivery_of "$1")/${2-invalid_items.json}" -; }
rejects_say() { rejects_of "$1" "${3-invalid_items.json}" >"$folder/rejects" && grep -Eq -- "$2" "$folder/rejects" || { cat "$folder/rejects"; return 1; }; }
# True if it is an array of so many items, each of whose cells says its type.
is_typed_json() {
    rejects_of "$1" | "$QM_TEST_PYTHON" -c '
import json, sys
items = json.load(sys.stdin)
assert len(items) == int(sys.argv[1]), len(items)
assert all(set(cell) <= {"S", "NULL"} for item in items for cell in item.values()), items[0]
' "$2"
}

# --- PostgreSQL ----------------------------------------------------------------------------------

# The folder of the server, with its socket.
database=$folder/database

# Makes a server that listens on a socket in its folder only, starts it, and makes a database of that
# name.
serve_postgres() {
    # Debian keeps the versions side by side.
    postgres_programs=$(find /usr/lib/postgresql -path '*/bin/postgres' | sort -V | tail -n 1)
    postgres_programs=${postgres_programs%/postgres}
    : "${postgres_programs:?install postgresql}"
    as_postgres=()
    mkdir -m 700 "$database"
    if [[ $(id -u) == 0 ]]; then
        # It refuses to run as root. Its user must come through to its own folder.
        as_postgres=(setpriv --reuid=postgres --regid=postgres --init-groups)
        chown postgres: "$database"
        chmod o+x "$folder"
    fi
    (
        cd "$database"
        "${as_postgres[@]}" "$postgres_programs/initdb" --pgdata="$database/data" --auth=trust --username=quaymaster \
            --encoding=UTF8 --no-sync >"$folder/initdb.log" 2>&1
    ) || { cat "$folder/initdb.log" && return 1; }
    start_postgres
    within 30 "$postgres_programs/createdb" --host="$database" --username=quaymaster "$1"
}

# Starts it again; `postgres` is its process.
start_postgres() {
    (
        cd "$database"
        exec "${as_postgres[@]}" "$postgres_programs/postgres" -D "$database/data" -k "$database" -c listen_addresses= \
            -c fsync=off >>"$folder/postgres.log" 2>&1
    ) &
    postgres=$!
    running[$postgres]=postgres
}
