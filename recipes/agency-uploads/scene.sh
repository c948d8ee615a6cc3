# The scene of the check: the configuration with its places filled in, the files that agencies
# send, and what is looked for afterwards. Read by `check`.

# The zone of the configuration, and its rules in POSIX form: no time zone database is needed.
irish_rules='GMT0IST,M3.5.0/1,M10.5.0'
zone=Europe/Dublin zone_rules=$irish_rules
# Due times must not cross midnight while the check runs.
if [[ $(TZ=$zone_rules date +%H) == 23 ]]; then
    zone=America/New_York zone_rules='EST5EDT,M3.2.0,M11.1.0'
fi
sydney_rules='AEST-10AEDT,M10.1.0,M4.1.0/3'
both='"sre-one@example.org", "sre-two@example.org"'

# --- the configuration of the check: the recipe's, with these put in their places ----------------

place= due= weekly_on= recipients=$both may2=

# In another zone, if one is given.
write_config() {
    local account edits=()
    for account in transfer-agent1 transfer-agent2 transfer-agent10; do
        edits+=(-e "/account\.$account]/,/^types/s|^ssh_keys = .*|ssh_keys = [\"$(<"$folder/keys/$account.pub")\"]|")
    done
    config=$place/quaymaster.toml
    mkdir -p "$place"
    sed "${edits[@]}" \
        -e "s|^data = .*|data = \"$place/data\"|" \
        -e "s|^url = .*|url = \"$(bucket_url)\"|" \
        -e 's|^address = .*|address = "127.0.0.1:0"|' \
        -e 's|^partial_alert_after = .*|partial_alert_after = "1s"|' \
        -e "s|^due = .*|due = \"$due\"|" \
        -e "s|^zone = .*|zone = \"${1:-$zone}\"|" \
        -e "s|^on = \"weekly:.*|on = \"weekly:$weekly_on\"|" \
        -e "/account\.transfer-agent2]/,/^types/s|^may = .*|may = [\"list\", \"read\", \"write\", \"overwrite\"$may2]|" \
        -e "s|^to = .*|to = [$recipients]|" \
        -e 's|^host = .*|host = "127.0.0.1"|' \
        -e "s|^port = .*|port = $(<"$folder/mails/port")|" \
        -e 's|^security = .*|security = "plain"|' \
        -e '/^user = /d' -e '/^password = /d' \
        "$(whole_config)" >"$config"
}

# The recipe's configuration for the store of this run.
whole_config() {
    case $store in
    directory) echo "$here/quaymaster.toml" ;;
    s3)
        sed -i "s|^region = .*|endpoint = \"$(<"$folder/example-landing.url")\"|" "$(whole_s3_config)"
        echo "$folder/s3/quaymaster.toml"
        ;;
    esac
}

# As the head of s3.toml says: the bucket's table is taken out, s3.toml put in its place.
whole_s3_config() {
    mkdir -p "$folder/s3"
    sed '/^\[bucket\.landing\]/,/^$/d' "$here/quaymaster.toml" | cat - "$here/s3.toml" >"$folder/s3/quaymaster.toml"
    echo "$folder/s3/quaymaster.toml"
}

# A time in the configuration's zone: `in_zone EPOCH FORMAT`.
in_zone() { TZ=$zone_rules date -d "@$1" "+$2"; }
weekday() { TZ=$zone_rules date -d "$1" +%a | tr '[:upper:]' '[:lower:]'; }
day_after() { TZ=$zone_rules date -d "$1 + 1 day" +%F; }

# Makes everything due so many seconds from now.
set_due() {
    due_epoch=$(($(date +%s) + $1))
    due=$(in_zone "$due_epoch" %H:%M:%S)
    slot_date=$(in_zone "$due_epoch" %F)
}

# --- the store ------------------------------------------------------------------------------------

bucket_url() {
    case $store in
    directory) echo "file://$place/landing" ;;
    # A prefix for each place: the days of this check have their own buckets.
    s3) echo "s3://example-landing/agencies/${place##*/}" ;;
    esac
}

# Puts a file into the bucket behind our back.
leave_behind() {
    case $store in
    directory) install -D -m 640 "$1" "$place/landing/$2" ;;
    s3) in_s3 example-landing put "$1" "agencies/${place##*/}/$2" ;;
    esac
}

# Everything that the store holds, as it holds it.
raw() {
    case $store in
    directory) find "$place/landing" -type f -exec cat {} + ;;
    s3) in_s3 example-landing dump "agencies/${place##*/}/" ;;
    esac
}
# Read to the end: a reader that leaves early would end `raw`.
stores() { raw | grep -acF -- "$1"; }
stores_no() { ! stores "$1"; }

# True if the key has the bytes of the file.
is_stored() { qm object get -q "landing/$2" - | cmp "$1" -; }
is_there() { qm object ls "landing/$1"; }
is_absent() { not is_there "$1"; }
has_versions() { [[ $(qm object versions "landing/$2" | grep -cE '^[0-9A-Z]{26} ') == "$1" ]]; }

# True if no object's name ends like that.
not_found() {
    local found
    found=$(qm object ls -r landing | awk -v name="${1%\*}" 'index($NF, "/" name)')
    [[ -z $found ]] || { echo "$found"; return 1; }
}

# --- mails ---------------------------------------------------------------------------------------

never='Not uploaded any files'
none_new='No new files uploaded today'
late='Late file has arrived'

# --- steps that take more than a line --------------------------------------------------------------

agent1() { sftp_as transfer-agent1 transfer-agent1 "$@"; }
agent2() { sftp_as transfer-agent2 transfer-agent2 "$@"; }
agent10() { sftp_as transfer-agent10 transfer-agent10 "$@"; }

make_files() {
    mkdir -p "$folder/out" "$folder/in"
    cd "$folder/out"
    printf 'id,amount\n1,12.50\n2,99.00\n' | tee report.csv REPORT.CSV >weekly.csv
    printf '{"id": 1}\n' >data.json
    { printf '\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1' && head -c 2040 /dev/zero; } >old.xls
    "$QM_TEST_PYTHON" -c 'import zipfile
with zipfile.ZipFile("new.xlsx", "w") as book:
    book.writestr("[Content_Types].xml", "<Types/>")
    book.writestr("xl/workbook.xml", "<workbook/>")'
    printf '<svg xmlns="http://www.w3.org/2000/svg"/>\n' >x.svg
    { printf 'MZ\x90\x00\x03' && head -c 500 /dev/zero; } >program.csv
    : >empty.csv
    head -c 4000000 /dev/zero | tr '\0' 7 >large.csv
    touch -d '2021-03-04 05:06:07Z' report.csv
}

# Cuts a session in the middle of an upload, seen from another session.
break_off_an_upload() {
    echo "put large.csv broken.csv" >"$folder/break.batch"
    sftp -q -b "$folder/break.batch" -l 400 "${client[@]}" -i "$folder/keys/transfer-agent1" -P "$port" \
        transfer-agent1@127.0.0.1 >"$folder/break.out" 2>&1 &
    local upload=$!
    running[$upload]=sftp
    within 20 is_under_way || return 1
    end_process "$upload" KILL
}
is_under_way() { agent1 <<<'ls -l broken.csv' && client_said ' [1-9][0-9]{3,} .* broken\.csv$'; }

seq_of() { qm arrival list | awk -v object="$1" '$NF == object { print $1; exit }'; }

# What `expectation list` says of an expectation's next due date.
next_due() { qm expectation list | awk -v name="$1" '$1 == name { print $2, $3, $4; exit }'; }

# The next 17:00 by the rules of a zone, as `expectation list` prints it.
next_five_o_clock() {
    local day
    for day in today tomorrow; do
        local at
        at=$(TZ=$1 date -d "$(TZ=$1 date -d "$day" +%F) 17:00" +%s)
        if ((at > $(date +%s))); then
            TZ=$1 date -d "@$at" '+%F %T %Z'
            return
        fi
    done
}

is_after() { (($(date +%s) > $1)); }

count_alerts() { qm alert list | sed '/^messages:/,$d' | grep -cF -- " $1" || true; }
count_arrivals() { qm arrival list | grep -cF -- "/$1" || true; }
is_count_of_missed() { [[ $(qm expectation list | grep -c ' missed ') == "$1" ]]; }

# True if the alert of that key was raised at the due time or later.
raised_after_due() {
    local raised
    raised=$(qm alert list | awk -v key="$1" 'index($0, key) { print $1, $2; exit }')
    (($(date -d "$raised" +%s) >= due_epoch)) || { echo "raised at $raised, due at $(date -d "@$due_epoch")"; return 1; }
}
