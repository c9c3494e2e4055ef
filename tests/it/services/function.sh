#!/bin/bash
# A function without a runtime library: it speaks the Runtime API over bash's own sockets.
# MODE: echo answers with the event, hang never answers, exit ends at once.
set -u
env | grep '^HOME=' # Nothing of the machine's may be here.
echo "started in $AWS_LAMBDA_FUNCTION_NAME" >&2
if [ "$MODE" = exit ]; then
    echo 'cannot go on' >&2
    exit 3
fi
host=${AWS_LAMBDA_RUNTIME_API%:*} port=${AWS_LAMBDA_RUNTIME_API#*:}
base=/2018-06-01/runtime/invocation
while true; do
    exec 3<>"/dev/tcp/$host/$port"
    printf 'GET %s/next HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$base" "$host" >&3
    id='' length=0
    while IFS= read -r line <&3 && line=${line%$'\r'} && [ -n "$line" ]; do
        case $line in
            lambda-runtime-aws-request-id:*) id=${line#*: } ;;
            content-length:*) length=${line#*: } ;;
        esac
    done
    [ -n "$id" ] || exit 4
    IFS= read -r -N "$length" event <&3
    exec 3>&-
    echo "event $event"
    if [ "$MODE" = hang ]; then
        # The test's process must be the one that holds the output open: no child here.
        while true; do read -r -t 60 _ <>/dev/tcp/"$host"/"$port"; done
    fi
    exec 3<>"/dev/tcp/$host/$port"
    printf 'POST %s/%s/response HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Length: %s\r\n\r\n%s' \
        "$base" "$id" "$host" "${#event}" "$event" >&3
    IFS= read -r _ <&3
    exec 3>&-
done
