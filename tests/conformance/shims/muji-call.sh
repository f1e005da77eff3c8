#!/bin/sh
# A shim for muji-conformance, as an example: it controls muji-call, which is started again for each call.
#   muji-conformance --subject tests/conformance/shims/muji-call.sh
# MUJI_CALL names the program.
set -u
trap '' PIPE
program="${MUJI_CALL:-muji-call}"
calls="" # The process, and where its keys come from.

value() { # key: its value in the order, if it has one
    printf '%s\n' "$order" | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"
}

begin() { # arguments
    mkfifo "$keys" 2>/dev/null
    XMPP_PASSWORD="$password" "$program" --jid "$jid" --server "$server" --tls none --no-window --json \
        --audio tone:440 --video off --speaker none "$@" <"$keys" >/dev/null &
    calls=$!
    exec 3>"$keys"
}

folder="$(mktemp -d)"
keys="$folder/keys"
trap 'kill $calls 2>/dev/null; rm -rf "$folder"' EXIT
while read -r order; do
    case "$(value do)" in
    log-in) jid="$(value jid)" password="$(value password)" server="$(value server)" ;;
    wait) begin --wait --once ;;
    join) guest="$(value invite)" && begin "$(value room)" ${guest:+--invite "$guest"} ;;
    call) begin "$(value jid)" ;;
    # What has ended by itself takes no keys.
    accept) printf a >&3 ;;
    decline) printf d >&3 ;;
    mute | unmute) printf m >&3 ;;
    add-pictures) printf v >&3 ;;
    leave) kill -INT "$calls" ;;
    *) exit 89 ;;
    esac
done
