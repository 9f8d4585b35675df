# shellcheck shell=bash
# Apache Kafka, one KRaft node, from the jars that infra/kafka/pom.xml pins.

KAFKA_LIBS=$TILL_HOME/kafka/libs
KAFKA_DATA=$TILL_HOME/data/kafka

# fetch_kafka: fetches the jars. They are fetched again only when the pom has changed.
fetch_kafka() {
    local pom=$ROOT/infra/kafka/pom.xml stamp=$TILL_HOME/kafka/pom.xml
    cmp --quiet "$pom" "$stamp" && return
    say "Fetching Apache Kafka (54 MB, once)"
    rm -rf "$TILL_HOME/kafka"
    mkdir -p "$TILL_HOME/kafka"
    mvn --quiet --batch-mode -Dstyle.color=never --strict-checksums --file "$pom" dependency:copy-dependencies -DoutputDirectory="$KAFKA_LIBS" ||
        die "Maven could not fetch Apache Kafka (its message is above). It needs a Maven repository: check the network, or a mirror in ~/.m2/settings.xml, then run this again."
    cp "$pom" "$stamp"
}

# kafka_java ARGUMENT...: runs a class of Kafka's jars, such as one of its command-line tools.
kafka_java() {
    "$JAVA" -cp "$KAFKA_LIBS/*" -Dlog4j2.configurationFile="$ROOT/infra/kafka/log4j2.properties" "$@"
}

start_kafka() {
    process_alive kafka && return
    JAVA=$(find_java)
    local properties=$TILL_HOME/conf/server.properties
    render "$ROOT/infra/kafka/server.properties.template" "$properties" \
        KAFKA_DATA="$KAFKA_DATA" TILL_KAFKA_PORT="$TILL_KAFKA_PORT" TILL_KAFKA_CONTROLLER_PORT="$TILL_KAFKA_CONTROLLER_PORT"
    # Formatting writes this file last. Without it the folder holds nothing that must be kept.
    [[ -e $KAFKA_DATA/meta.properties ]] || format_kafka "$properties"
    say "Starting Kafka on 127.0.0.1:$TILL_KAFKA_PORT"
    start_process kafka "$JAVA" "@$ROOT/infra/kafka/jvm.options" \
        -cp "$KAFKA_LIBS/*" -Dlog4j2.configurationFile="$ROOT/infra/kafka/log4j2.properties" kafka.Kafka "$properties"
}

format_kafka() {
    local id
    rm -rf "$KAFKA_DATA"
    id=$(kafka_java kafka.tools.StorageTool random-uuid 2>/dev/null | tail -n 1)
    kafka_java kafka.tools.StorageTool format --cluster-id "$id" --config "$1" >"$(log_of kafka)" 2>&1 ||
        die_with_log kafka "Kafka's storage could not be formatted."
}

kafka_is_ready() {
    grep --quiet 'Kafka Server started' "$(log_of kafka)" && port_inode "$TILL_KAFKA_PORT" >/dev/null
}
