# shellcheck shell=bash
# The secrets of the local stack. Each is a file that only its user reads, and a process is given only those it needs.

# kept_secret NAME BYTES: prints a secret, which is made once for this TILL_HOME, so that a token outlives a restart.
kept_secret() {
    local file=$TILL_HOME/conf/$1
    [[ -s $file ]] || (umask 077 && head -c "$2" /dev/urandom | base64 | tr '+/' '-_' | tr -d '=' >"$file")
    cat "$file"
}

# postgres_password ROLE: prints the role's password. There is one because every user of the machine reaches the port.
postgres_password() {
    kept_secret "postgres-$1" 24
}

# database_url: prints the URL of the services' database, with the password.
database_url() {
    echo "postgres://till:$(postgres_password till)@127.0.0.1:$TILL_POSTGRES_PORT/till"
}

# with_secrets_of SERVICE COMMAND...: runs a command with the secrets that the service needs. They are in its
# environment, which other users of the machine cannot read, and never among its arguments, which they can.
with_secrets_of() {
    local service=$1 secret=${TILL_JWT_SECRET:-} url
    shift
    url=$(database_url)
    local -x TILL_JWT_SECRET TILL_DATABASE_URL
    [[ $service == analytics-worker ]] || TILL_JWT_SECRET=${secret:-$(kept_secret jwt-secret 32)}
    [[ $service != projector ]] || TILL_DATABASE_URL=$url
    "$@"
}
