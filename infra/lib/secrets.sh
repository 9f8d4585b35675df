# shellcheck shell=bash
# The secrets of the local stack. Each is a file that only its user reads, and a process is given only those it needs.

# kept NAME COMMAND...: prints a secret, which the command makes once for this TILL_HOME. So a token outlives a restart, and
# what is personal in the log can be read as long as the log is there.
kept() {
    local file=$TILL_HOME/conf/$1
    shift
    [[ -s $file ]] || (umask 077 && "$@" >"$file")
    cat "$file"
}

# new_secret BYTES: prints a random text of letters, digits, '-' and '_'.
new_secret() {
    head -c "$1" /dev/urandom | base64 | tr '+/' '-_' | tr -d '='
}

# new_key: prints a random key of 256 bits in hexadecimal digits.
new_key() {
    od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n'
}

# new_master_keys: prints a random master key, under the number 1.
new_master_keys() {
    echo "1:$(new_key)"
}

# postgres_password ROLE: prints the role's password. There is one because every user of the machine reaches the port.
postgres_password() {
    kept "postgres-$1" new_secret 24
}

# database_url: prints the URL of the services' database, with the password.
database_url() {
    echo "postgres://till:$(postgres_password till)@127.0.0.1:$TILL_POSTGRES_PORT/till"
}

# with_secrets_of SERVICE COMMAND...: runs a command with the secrets that the service needs. They are in its
# environment, which other users of the machine cannot read, and never among its arguments, which they can.
with_secrets_of() {
    local service=$1 secret=${TILL_JWT_SECRET:-} masters=${TILL_MASTER_KEYS:-} index=${TILL_INDEX_KEY:-} url
    shift
    url=$(database_url)
    local -x TILL_JWT_SECRET TILL_MASTER_KEYS TILL_INDEX_KEY TILL_DATABASE_URL
    if [[ $service != analytics-worker ]]; then
        TILL_JWT_SECRET=${secret:-$(kept jwt-secret new_secret 32)}
        TILL_MASTER_KEYS=${masters:-$(kept master-keys new_master_keys)}
        TILL_INDEX_KEY=${index:-$(kept index-key new_key)}
    fi
    [[ $service != projector ]] || TILL_DATABASE_URL=$url
    "$@"
}
