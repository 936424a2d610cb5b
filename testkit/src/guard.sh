# Owns one server of a test, and the folder it works in. It obeys the lines on its standard input and answers each
# with a line. When that input ends, because the test dropped the server or was itself killed, the server ends (-9) and
# the folder goes.
#
#   guard.sh PARENT scripts/server KIND PORT [arguments…]
parent=$1 script=$2 kind=$3 port=$4
shift 4

# Only the end of the input ends this: neither ctrl-C in the terminal nor a reader that is gone.
trap '' HUP INT TERM PIPE

home=$(mktemp -d "$parent/firstcome-test-XXXXXX") || exit
chmod 711 "$home" # the server may run as another user
data=$home/data
mkdir "$data"
exec 2>>"$home/log"
server=
echo "$home"

# Neither gone nor only waited for.
alive() { 2>/dev/null read -r _ _ state _ <"/proc/$1/stat" && [ "$state" != Z ]; }
# Processes and all that they started. PostgreSQL puts each of its own in a group of its own.
tree() { for one; do echo "$one"; tree $(cat /proc/"$one"/task/*/children); done; }

finish() {
    [ -n "$server" ] || return
    kill -STOP "$server" # it starts no more while the others are counted
    all=$(tree "$server")
    kill -KILL $all
    wait "$server"
    for one in $all; do while alive "$one"; do sleep 0.005; done; done
    server=
}
remove() {
    # PostgreSQL's lock on its folder is a segment of shared memory, which a kill -9 leaves behind.
    if [ -f "$data/postmaster.pid" ]; then
        segment=$(sed -n '7s/.* //p' "$data/postmaster.pid")
        [ -z "$segment" ] || ipcrm -m "$segment"
    fi
    rm -rf "$data"
}

while read -r order; do
    case $order in
    start)
        finish
        (
            trap - HUP INT TERM PIPE
            exec setsid "$script" "$kind" "$data" "$port" "$@" >>"$home/log" </dev/null
        ) &
        server=$!
        ;;
    kill) finish ;;
    empty)
        finish
        remove
        mkdir "$data"
        ;;
    pause)
        kill -STOP "$server"
        kill -STOP $(tree "$server")
        ;;
    resume) kill -CONT $(tree "$server") ;;
    running)
        if [ -n "$server" ] && alive "$server"; then echo yes; else echo no; fi
        continue
        ;;
    esac
    echo done
done

finish
remove
rm -rf "$home"
