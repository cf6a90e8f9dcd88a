#!/usr/bin/env bash
# Who may do what on the capture topic; run once with an administrator's client configuration:
#   KAFKA_ACLS="kafka-acls.sh --bootstrap-server broker:9093 --command-config admin.properties" bash acls.sh
# Brokers: authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer,
# allow.everyone.if.no.acl.found=false, and the topic made by `counterfoil provision` as that
# administrator (replication 3, min.insync.replicas 2, retention.ms=-1).
set -euo pipefail
topic=counterfoil.capture
group=counterfoil.archiver

allow() { # principal, operations, resource options
    local principal=$1 operations=()
    for operation in $2; do operations+=(--operation "$operation"); done
    shift 2
    ${KAFKA_ACLS:?} --add --allow-principal "User:$principal" "${operations[@]}" "$@"
}

# Writes sealed records; can read none back, and could not open them if it did.
allow counterfoil-gateway "Write Describe" --topic "$topic"

# Reads them, shortens the log behind what is archived (Delete = DeleteRecords), and writes its own
# alarms and gaps.
allow counterfoil-archiver "Read Write Describe DescribeConfigs Delete" --topic "$topic"
allow counterfoil-archiver "Read Describe" --group "$group"

# Whoever searches is recorded: audit events enter at the front too, and the indexer's gaps.
allow counterfoil-search "Write Describe" --topic "$topic"
