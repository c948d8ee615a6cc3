# Servers that checks talk to, and what these have got: a mail server, S3 servers. Read by `source`,
# after proof.sh.

: "${QM_TEST_PYTHON:?set it to a Python that has aiosmtpd and moto}"
peers=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# --- mails ---------------------------------------------------------------------------------------

# Starts the mail server.
catch_mail() {
    mkdir -p "$folder/mails"
    "$QM_TEST_PYTHON" "$peers/mail_catcher.py" "$folder/mails" &
    running[$!]=mails
    within 30 test -s "$folder/mails/port"
}

# True if exactly so many messages have this subject.
mails() {
    local found
    found=$(cat "$folder"/mails/*.mail 2>/dev/null | grep -cFx -- "Subject: $2" || true)
    [[ $found == "$1" ]] || { echo "$found mails, not $1: $2"; return 1; }
}

# True if exactly one message to the recipient has this subject and body, byte for byte.
mailed() {
    local mail found=0
    for mail in "$folder"/mails/*.mail; do
        if printf 'To: %s\nSubject: %s\n\n%s\n' "$1" "$2" "$3" | cmp -s - "$mail"; then
            found=$((found + 1))
        fi
    done
    [[ $found == 1 ]] || { echo "$found such mails to $1 among:"; head -n 20 "$folder"/mails/*.mail; return 1; }
}

# True if a message has a subject that matches, and a line that matches.
told() {
    local mail
    for mail in "$folder"/mails/*.mail; do
        if grep -Eq -- "^Subject: $1" "$mail" && grep -Eq -- "$2" "$mail"; then return; fi
    done
    head -n 12 "$folder"/mails/*.mail
    return 1
}

# True if nobody of that address got a message with that subject.
no_mail_to() {
    local mail
    for mail in "$folder"/mails/*.mail; do
        if [[ $(head -n 2 "$mail") == "To: $1"$'\n'"Subject: $2" ]]; then
            cat "$mail"
            return 1
        fi
    done
}

# --- S3 ------------------------------------------------------------------------------------------

export AWS_ACCESS_KEY_ID=check AWS_SECRET_ACCESS_KEY=check AWS_EC2_METADATA_DISABLED=true

# Starts an S3 server with one versioned bucket; its URL is then in the file `BUCKET.url`, and `s3`
# its process.
serve_s3() {
    local bucket=$1
    "$QM_TEST_PYTHON" -B "$peers/s3_server.py" "$bucket" "$folder/$bucket.url" >"$folder/$bucket.log" 2>&1 &
    s3=$!
    running[$s3]=$bucket
    within 30 test -s "$folder/$bucket.url"
}

# Looks into a bucket behind our back: `in_s3 BUCKET COMMAND …`.
in_s3() { "$QM_TEST_PYTHON" "$peers/s3_client.py" "$(<"$folder/$1.url")" "$@"; }
