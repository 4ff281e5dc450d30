#!/bin/sh
# Installs webstat as services of systemd, from the folder this file is in:
#
#   deploy/install.sh server                      collector and page
#   deploy/install.sh agent --cluster NAME        the agent, on a cluster's login node
#   deploy/install.sh uninstall                   services and code; never settings, keys or data
#
# The same again upgrades: code and units are replaced, settings, keys and data stay. Options:
#
#   --prefix DIR    code and Python packages (/opt/webstat)
#   --config DIR    webstat.toml, agent.env, keys (/etc/webstat)
#   --state DIR     the store (/var/lib/webstat)
#   --units DIR     where systemd looks (/etc/systemd/system)
#   --user NAME     runs the services; made if it does not exist (webstat)
#   --workers N     server: so many web processes behind a proxy, at ports 8051 and on (1, at the port of webstat.toml)
#   --bind ADDRESS  agent: listen here, e.g. tcp://0.0.0.0:7621, with CURVE keys (tcp://127.0.0.1:7621, without)
#   --no-start      do not start or restart anything
set -eu
# The system's programs: a Python of root's own could not be run by others.
PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin
umask 022

say() { printf 'webstat: %s\n' "$*"; }
fail() {
    printf 'webstat: %s\n' "$*" >&2
    exit 1
}
usage() {
    sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p}' "$0"
    exit "$1"
}

source=$(cd "$(dirname "$0")/.." && pwd)
prefix=/opt/webstat config=/etc/webstat state=/var/lib/webstat units=/etc/systemd/system
user=webstat bind=tcp://127.0.0.1:7621 cluster='' workers='' start=yes
[ $# -gt 0 ] || usage 2
role=$1
shift
while [ $# -gt 0 ]; do
    case $1 in
    --no-start) start=no ;;
    --cluster | --prefix | --config | --state | --units | --user | --bind | --workers)
        [ $# -gt 1 ] || fail "$1 needs a value"
        eval "${1#--}=\$2"
        shift
        ;;
    -h | --help) usage 0 ;;
    *) fail "there is no option $1; see: $0 --help" ;;
    esac
    shift
done
case $role in
server | uninstall) ;;
agent) [ -n "$cluster" ] || [ -e "$config/agent.env" ] || fail "say which cluster this is: --cluster NAME" ;;
-h | --help) usage 0 ;;
*) fail "what should be installed? agent, server, or uninstall; see: $0 --help" ;;
esac
for dir in "$prefix" "$config" "$state" "$units"; do
    case $dir in
    /*[!A-Za-z0-9/._-]* | [!/]* | /) fail "$dir: give an absolute folder, of letters, digits and / . _ - only" ;;
    esac
done
case $cluster in *[!A-Za-z0-9._-]*) fail "$cluster: a cluster's name is of letters, digits, dot, dash, underscore" ;; esac
case $workers in *[!0-9]* | 0* | ???*) fail "--workers $workers: give a number of processes, 1 to 99" ;; esac
[ "$(id -u)" = 0 ] || fail "run this as root: it makes a user and units"

first_port=8051 # the first of several web processes; deploy/haproxy.cfg has the same
instances() {
    for link in "$units"/multi-user.target.wants/webstat-web*.service; do
        if [ -L "$link" ]; then basename "$link" .service; fi
    done
}
running() { [ "$start" = yes ] && [ -d /run/systemd/system ]; }
as_user() { setpriv --reuid="$user" --regid="$user" --init-groups "$@"; }

if [ "$role" = uninstall ]; then
    if running; then
        for service in $(instances); do systemctl disable --now "$service"; done
    fi
    for service in webstat-web webstat-web@ webstat-collector webstat-agent; do
        [ -e "$units/$service.service" ] || continue
        if running && [ "$service" != webstat-web@ ]; then systemctl disable --now "$service"; fi
        rm -rf "$units/$service.service" "$units/$service.service.d"
        say "removed $service"
    done
    if running; then systemctl daemon-reload; fi
    if [ -e "$prefix/.installed-by-webstat" ]; then rm -rf "$prefix"; fi
    say "left as they are: $config, $state, and the user $user"
    exit 0
fi

# Nothing of another program is written over.
if [ -d "$prefix" ] && [ -n "$(ls -A "$prefix")" ] && [ ! -e "$prefix/.installed-by-webstat" ]; then
    fail "$prefix is not empty and not webstat's; choose another --prefix"
fi
if ! id "$user" >/dev/null 2>&1; then
    useradd --system --user-group --home-dir "$state" --no-create-home --shell /usr/sbin/nologin "$user"
    say "made the user $user"
fi
mkdir -p "$prefix" "$units"
touch "$prefix/.installed-by-webstat"
install -d -m 0750 -o root -g "$user" "$config"
install -d -m 0700 -o "$user" -g "$user" "$config/keys"

# Code: each folder beside the old one, then in its place. What both roles need is the agent's.
put() {
    for name in "$@"; do
        rm -rf "$prefix/$name.new"
        mkdir -p "$(dirname "$prefix/$name")"
        cp -R "$source/$name" "$prefix/$name.new"
        rm -rf "${prefix:?}/$name"
        mv "$prefix/$name.new" "$prefix/$name"
    done
    find "$prefix" -name __pycache__ -not -path "*/.venv/*" -prune -exec rm -rf {} +
}
unit() {
    sed -e "s#@PREFIX@#$prefix#g" -e "s#@CONFIG@#$config#g" -e "s#@STATE@#$state#g" -e "s#@USER@#$user#g" \
        "$source/deploy/systemd/$1" >"$2.new"
    chmod 0644 "$2.new"
    mv "$2.new" "$2"
}
begin() {
    if running; then
        systemctl daemon-reload
        for service in "$@"; do
            systemctl enable --quiet "$service"
            systemctl restart "$service"
        done
        say "started: $*"
    else
        say "not started: $* (systemctl enable --now $*)"
    fi
}

if [ "$role" = agent ]; then
    put agent deploy docs
    if [ ! -x "$prefix/.venv/bin/python" ]; then
        python=$(command -v python3) || fail "there is no python3 on the PATH"
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' || fail "the agent needs Python 3.9 or newer"
        "$python" -m venv "$prefix/.venv" || fail "Python's venv module is missing: apt-get install python3-venv"
    fi
    "$prefix/.venv/bin/python" -m pip install -q --disable-pip-version-check -r "$source/agent/requirements.txt"
    install -d -m 0750 -o root -g "$user" "$config/collectors"
    if [ ! -e "$config/agent.env" ]; then
        {
            printf '# The agent of this cluster; every option of "python -m agent serve" has a name here.\n'
            printf 'WEBSTAT_AGENT_CLUSTER=%s\nWEBSTAT_AGENT_BIND=%s\n' "$cluster" "$bind"
            printf '# Beyond this host: the keys below, and the public keys (.key) of collectors in the folder.\n'
            case $bind in tcp://127.* | tcp://localhost:* | ipc://*) off='#' ;; *) off='' ;; esac
            printf '%sWEBSTAT_AGENT_SECRET_KEY_FILE=%s/keys/agent.key_secret\n' "$off" "$config"
            printf '%sWEBSTAT_AGENT_ALLOW=%s/collectors\n' "$off" "$config"
        } >"$config/agent.env"
        chmod 0640 "$config/agent.env"
        chgrp "$user" "$config/agent.env"
    fi
    if [ ! -e "$config/keys/agent.key_secret" ]; then
        (cd "$prefix" && as_user .venv/bin/python -m agent keys make "$config/keys" --name agent)
    fi
    unit webstat-agent.service "$units/webstat-agent.service"
    for helper in "${PBS_EXEC:-/opt/pbs}/sbin/pbs_iff" /usr/sbin/pbs_iff /usr/local/sbin/pbs_iff /usr/local/bin/pbs_iff; do
        if [ -u "$helper" ]; then
            mkdir -p "$units/webstat-agent.service.d"
            unit webstat-agent-setuid.conf "$units/webstat-agent.service.d/setuid.conf"
            say "$helper is setuid: the agent's sandbox lets it be ($units/webstat-agent.service.d/setuid.conf)"
            break
        fi
    done
    begin webstat-agent
else
    put agent collector webstat assets scripts deploy docs demo app.py requirements.txt constraints.txt \
        package.json package-lock.json .npmrc webstat.example.toml
    python3 "$prefix/scripts/setup.py"
    install -d -m 0750 -o "$user" -g "$user" "$state"
    if [ ! -e "$config/webstat.toml" ]; then
        sed -e "s#^url = .*#url = \"sqlite:///$state/webstat.sqlite\"#" \
            -e "/^# secret_key_file = /s/^# //" -e "/^# allow = /s/^# //" \
            "$source/webstat.example.toml" >"$config/webstat.toml"
        chmod 0640 "$config/webstat.toml"
        chgrp "$user" "$config/webstat.toml"
        say "wrote $config/webstat.toml: name your clusters in it"
        start=no
    fi
    (cd "$prefix" && as_user .venv/bin/python -m collector --config "$config/webstat.toml" keys --no-agents)
    unit webstat-collector.service "$units/webstat-collector.service"
    if [ ! -e "$config/keys/web.secret" ]; then
        as_user sh -c 'umask 077 && head -c 32 /dev/urandom | base64 >"$1"' sh "$config/keys/web.secret"
    fi
    # How many web processes there are stays as it is where nothing else is said.
    [ -n "$workers" ] || workers=$(cat "$prefix/.installed-by-webstat")
    workers=${workers:-1}
    echo "$workers" >"$prefix/.installed-by-webstat"
    if [ "$workers" = 1 ]; then
        web=webstat-web other=webstat-web@
        unit webstat-web.service "$units/webstat-web.service"
    else
        web='' other=webstat-web
        for port in $(seq $first_port $((first_port + workers - 1))); do web="$web webstat-web@$port"; done
        unit webstat-web.service "$units/webstat-web@.service"
        sed -i -e 's#^ExecStart=.*#& --port %i#' -e 's#^Description=.*#&, at port %i#' "$units/webstat-web@.service"
    fi
    if running; then
        for service in $(instances); do
            case " $web " in *" $service "*) ;; *) systemctl disable --now "$service" ;; esac
        done
    fi
    rm -f "$units/$other.service"
    # shellcheck disable=SC2086 # several words
    begin webstat-collector $web
fi
