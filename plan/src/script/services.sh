# Services: started as the job's own user, on loopback, with their files in the job's home; they end with the job.
_travis_services=$HOME/.travis/services

# What Travis and systems call it, as the one name that it has here: in TRAVIS_SERVICE.
_travis_service_name() {
  TRAVIS_SERVICE=${1%.service}
  case $TRAVIS_SERVICE in
  redis-server) TRAVIS_SERVICE=redis ;;
  postgres) TRAVIS_SERVICE=postgresql ;;
  memcache) TRAVIS_SERVICE=memcached ;;
  rabbitmq-server) TRAVIS_SERVICE=rabbitmq ;;
  mongod) TRAVIS_SERVICE=mongodb ;;
  mariadb | mysqld) TRAVIS_SERVICE=mysql ;;
  esac
}

# Starts what is noted in a service's folder and waits until its port or socket answers. Ends with 1 if it has died, with 2 if
# it takes too long. It is none of the shell's jobs, so that the author's `wait` doesn't wait for it.
_travis_service_start() {
  local home=$_travis_services/$1 ready pid end=$((SECONDS + ${TRAVIS_SERVICE_PATIENCE:-120}))
  ready=$(<"$home/ready")
  bash "$home/start" </dev/null >"$home/log" 2>&1 &
  pid=$!
  disown "$pid" 2>/dev/null
  printf '%s\n' "$pid" >"$home/pid"
  while kill -0 "$pid" 2>/dev/null; do
    case $ready in
    /*) [[ ! -S $ready ]] || return 0 ;;
    *) ! (exec 3<>"/dev/tcp/127.0.0.1/$ready") 2>/dev/null || return 0 ;;
    esac
    ((SECONDS < end)) || return 2
    sleep 0.1
  done
  return 1
}

_travis_service_lives() {
  [[ -s $_travis_services/$1/pid ]] && kill -0 "$(<"$_travis_services/$1/pid")" 2>/dev/null
}

_travis_service_stop() {
  local pid signal=TERM end=$((SECONDS + 20))
  _travis_service_lives "$1" || return 0
  pid=$(<"$_travis_services/$1/pid")
  # At TERM it would wait for its clients.
  [[ $1 != postgresql ]] || signal=INT
  kill -s "$signal" "$pid" 2>/dev/null
  while kill -0 "$pid" 2>/dev/null; do
    ((SECONDS < end)) || kill -KILL "$pid"
    sleep 0.1
  done
}

# service(8) and systemctl(1) for the job's own services; everything else is the system's. $1: which of the two, then its
# arguments.
_travis_service_control() {
  local program=$1 action name word words=() failed=0 TRAVIS_SERVICE
  shift
  for word; do [[ $word == -* ]] || words+=("$word"); done
  if [[ $program == systemctl ]]; then action=${words[0]:-} name=${words[1]:-}; else name=${words[0]:-} action=${words[1]:-}; fi
  if [[ $program == systemctl && ${#words[@]} -gt 2 ]]; then
    for name in "${words[@]:1}"; do (_travis_service_control systemctl "$action" "$name") || failed=$?; done
    exit "$failed"
  fi
  _travis_service_name "$name"
  if [[ ! -s $_travis_services/$TRAVIS_SERVICE/start ]]; then
    PATH=${PATH//"$_travis_services/bin:"/}
    ! command -v "$program" >/dev/null || exec "$program" "$@"
    printf '%s: %s is no service of this job\n' "$program" "$name" >&2
    exit 1
  fi
  case $action in
  start | stop | restart | reload | force-reload) ;;
  status | is-active)
    _travis_service_lives "$TRAVIS_SERVICE" || { printf '%s is not running\n' "$name"; exit 3; }
    printf '%s is running\n' "$name"
    exit
    ;;
  enable | disable) exit ;;
  *) printf '%s: cannot %s %s\n' "$program" "$action" "$name" >&2; exit 1 ;;
  esac
  if [[ $action == start ]]; then
    ! _travis_service_lives "$TRAVIS_SERVICE" || exit 0
  else
    _travis_service_stop "$TRAVIS_SERVICE"
    [[ $action != stop ]] || exit 0
  fi
  _travis_service_start "$TRAVIS_SERVICE" && exit
  printf '%s did not start\n' "$name" >&2
  tail -n 20 "$_travis_services/$TRAVIS_SERVICE/log" >&2
  exit 1
}

# sudo(8): what speaks to the job's own services needs no root, and the job's environment. The rest is for the system's, or for
# the one that says that there is no root.
_travis_service_sudo() {
  local words=("$@") user=root
  while [[ ${1:-} == -* ]]; do
    case $1 in
    -u | --user) user=${2:-}; shift ;;
    -u*) user=${1#-u} ;;
    --user=*) user=${1#--user=} ;;
    --) shift; break ;;
    esac
    shift
  done
  case $user:${1:-} in
  root:service | root:systemctl | root:mysql | root:mysqladmin | root:rabbitmqctl | root:rabbitmq-plugins | root:redis-cli) exec "$@" ;;
  root:/etc/init.d/* | root:sh)
    if [[ $1 == sh && ${2:-} == -e ]]; then shift 2; elif [[ $1 == sh ]]; then shift; fi
    if [[ ${1:-} == /etc/init.d/* ]]; then exec service "${1#/etc/init.d/}" "${@:2}"; fi
    ;;
  postgres:psql | postgres:createdb | postgres:createuser | postgres:dropdb | postgres:dropuser)
    export PGUSER=postgres
    exec "$@"
    ;;
  esac
  PATH=${PATH//"$_travis_services/bin:"/}
  exec sudo "${words[@]}"
}

# Programs of the job's own, before the system's. $1: name, $2: function and its first arguments.
_travis_service_program() {
  local program=$_travis_services/bin/$1
  {
    printf '#!/bin/bash\n_travis_services=%q\n' "$_travis_services"
    declare -f _travis_service_name _travis_service_start _travis_service_lives _travis_service_stop _travis_service_control _travis_service_sudo
    printf '%s "$@"\n' "$2"
  } >"$program"
  chmod 755 "$program"
}

_travis_services_begin() {
  mkdir -p "$_travis_services/bin"
  _travis_service_program service '_travis_service_control service'
  _travis_service_program systemctl '_travis_service_control systemctl'
  _travis_service_program sudo _travis_service_sudo
  export PATH=$_travis_services/bin:$PATH
}

# Travis' machines have the scripts of their services; whoever runs one by a shell means service(8).
sh() {
  local words=("$@")
  [[ ${1:-} != -e ]] || shift
  if [[ ${1:-} == /etc/init.d/* && ! -e $1 ]]; then
    service "${1#/etc/init.d/}" "${@:2}"
  else
    command sh "${words[@]}"
  fi
}

# The service is made ready for `service NAME start`, and not started.
_travis_service_later() {
  local TRAVIS_SERVICE_LATER=1
  _travis_service "$1"
}

# $1: the port, or the socket's path; rest: the command.
_travis_serve() {
  local name=$TRAVIS_SERVICE result where=127.0.0.1:$1
  [[ $1 != /* ]] || where=$1
  printf '%s\n' "$1" >"$TRAVIS_SERVICE_HOME/ready"
  shift
  printf 'exec%s\n' "$(printf ' %q' "$@")" >"$TRAVIS_SERVICE_HOME/start"
  [[ -z ${TRAVIS_SERVICE_LATER:-} ]] || return 0
  _travis_service_start "$name"
  result=$?
  case $result in
  0) printf '%s is ready on %s.\n' "$name" "$where" ;;
  2) _travis_service_failed "$name" 'is not ready yet' ;;
  *) _travis_service_failed "$name" ;;
  esac
  return "$result"
}

# $1: name, $2: what is wrong with it.
_travis_service_failed() {
  _travis_say "$ANSI_YELLOW" "The service $1 ${2:-did not start}; going on without it. It said:"
  [[ ! -f $TRAVIS_SERVICE_HOME/log ]] || tail -n 20 "$TRAVIS_SERVICE_HOME/log"
  return 1
}

_travis_service_absent() {
  _travis_say "$ANSI_YELLOW" "The service $1${2:+ $2} is not started: this machine has no ${3:-$1}${2:+ $2}."
}

# The loopback addresses of the job, separated by $1.
_travis_service_addresses() {
  printf '127.0.0.1'
  ! grep -qs '^0\{31\}1 ' /proc/net/if_inet6 || printf '%s::1' "$1"
}

# Where clients look for a socket, in TRAVIS_SOCKETS: $1, where the job may write there, else the service's folder.
_travis_service_sockets() {
  TRAVIS_SOCKETS=$1
  if ! mkdir -p "$1" 2>/dev/null || [[ ! -w $1 ]]; then TRAVIS_SOCKETS=$TRAVIS_SERVICE_HOME; fi
}

# $1: name as in the file, $2: version, if one is asked for.
_travis_service() {
  local TRAVIS_SERVICE TRAVIS_SERVICE_HOME TRAVIS_SOCKETS
  _travis_service_name "$1"
  TRAVIS_SERVICE_HOME=$_travis_services/$TRAVIS_SERVICE
  case $TRAVIS_SERVICE in
  redis | postgresql | memcached | rabbitmq | mysql | mongodb | xvfb)
    mkdir -p "$TRAVIS_SERVICE_HOME"
    "_travis_service_$TRAVIS_SERVICE" "${2:-}"
    ;;
  docker | cri-dockerd) _travis_say "$ANSI_YELLOW" "The service $1 is not started: a job has no right to run containers on this machine." ;;
  *) _travis_say "$ANSI_YELLOW" "The service $1 is not started: there is no way to run it as a job's own user on this machine." ;;
  esac
}

_travis_service_redis() {
  command -v redis-server >/dev/null || { _travis_service_absent redis; return; }
  # shellcheck disable=SC2046
  _travis_serve 6379 redis-server --bind $(_travis_service_addresses ' ') --port 6379 --save '' --appendonly no --dir "$TRAVIS_SERVICE_HOME"
}

_travis_service_memcached() {
  command -v memcached >/dev/null || { _travis_service_absent memcached; return; }
  _travis_serve 11211 memcached -u "$(id -un)" -l "$(_travis_service_addresses ,)" -p 11211
}

_travis_service_mongodb() {
  command -v mongod >/dev/null || { _travis_service_absent mongodb; return; }
  mkdir -p "$TRAVIS_SERVICE_HOME/data"
  _travis_serve 27017 mongod --dbpath "$TRAVIS_SERVICE_HOME/data" --bind_ip 127.0.0.1 --port 27017
}

# Debian's rabbitmqctl in /usr/sbin is for root and rabbitmq only; the one behind it is for everybody who has the cookie.
_travis_service_rabbitmq() {
  local programs=/usr/lib/rabbitmq/bin home=$TRAVIS_SERVICE_HOME
  if [[ -x $programs/rabbitmq-server ]]; then
    export PATH=$_travis_services/bin:$programs:${PATH//"$_travis_services/bin:"/}
  fi
  command -v rabbitmq-server >/dev/null || { _travis_service_absent rabbitmq; return; }
  mkdir -p "$home/mnesia" "$home/log.d"
  export RABBITMQ_NODENAME=rabbit@localhost RABBITMQ_MNESIA_BASE=$home/mnesia RABBITMQ_LOG_BASE=$home/log.d RABBITMQ_LOGS=-
  export RABBITMQ_ENABLED_PLUGINS_FILE=$home/plugins RABBITMQ_PID_FILE=$home/pid.erlang RABBITMQ_CONFIG_FILE=$home/rabbitmq.conf
  export ERL_EPMD_ADDRESS=127.0.0.1
  local address count=0
  for address in $(_travis_service_addresses ' '); do
    printf 'listeners.tcp.%s = %s:5672\n' "$((++count))" "$address"
  done >"$home/rabbitmq.conf"
  _travis_serve 5672 rabbitmq-server
}

# No password anywhere: postgres and travis are superusers, as on Travis.
_travis_service_postgresql() {
  local wanted=$1 bin='' dir home=$TRAVIS_SERVICE_HOME as=() sockets name
  for dir in /usr/lib/postgresql/* /usr/pgsql-* /opt/postgresql/*; do
    [[ -x $dir/bin/postgres && -x $dir/bin/initdb ]] || continue
    [[ -z $wanted || ${dir##*[/-]} == "$wanted" || ${dir##*[/-]} == "${wanted%%.*}" ]] && bin=$dir/bin
  done
  if [[ -z $bin && -z $wanted ]] && command -v initdb >/dev/null && command -v postgres >/dev/null; then
    bin=$(dirname "$(command -v initdb)")
  fi
  [[ -n $bin ]] || { _travis_service_absent postgresql "$wanted"; return; }
  _travis_service_sockets /var/run/postgresql
  sockets=$TRAVIS_SOCKETS
  [[ $sockets != "$home" ]] || export PGHOST=127.0.0.1
  if [[ $(id -u) == 0 ]]; then
    # It refuses to run as root.
    as=(setpriv "--reuid=$(id -u travis)" "--regid=$(id -g travis)" --clear-groups --)
    chown travis "$home" "$sockets"
  fi
  if ! "${as[@]}" "$bin/initdb" -D "$home/data" -U postgres -A trust -E UTF8 --no-sync >"$home/log" 2>&1; then
    _travis_service_failed postgresql
    return
  fi
  _travis_serve 5432 "${as[@]}" "$bin/postgres" -D "$home/data" -h "$(_travis_service_addresses ,)" -p 5432 -k "$sockets,/tmp" -F || return
  # A port that answers may still be starting up.
  for name in {1..100}; do
    "$bin/psql" -h 127.0.0.1 -U postgres -qc 'CREATE ROLE travis SUPERUSER LOGIN' >/dev/null 2>&1 && break
    sleep 0.1
  done
  name=$(id -un)
  [[ $name == travis ]] || "$bin/psql" -h 127.0.0.1 -U postgres -qc "CREATE ROLE \"$name\" SUPERUSER LOGIN" >/dev/null 2>&1
  "$bin/psql" -h 127.0.0.1 -U postgres -qc 'CREATE DATABASE travis OWNER travis' >/dev/null 2>&1
  export PATH=$PATH:$bin
}

# No password for root and travis, as on Travis.
_travis_service_mysql() {
  local wanted=$1 program='' name home=$TRAVIS_SERVICE_HOME install='' version socket address=127.0.0.1 common
  for name in mariadbd mysqld; do
    [[ -n $program ]] || program=$(command -v "$name" || :)
  done
  [[ -n $program ]] || { _travis_service_absent mysql "$wanted"; return; }
  version=$("$program" --version 2>/dev/null)
  [[ $version =~ [0-9]+(\.[0-9]+)* ]]
  name=${BASH_REMATCH[0]:-0}
  if [[ -n $wanted && $name != "$wanted" && $name != "$wanted".* ]]; then
    _travis_service_absent mariadb "$wanted"
    return
  fi
  # Which ones take several addresses.
  if [[ $version == *MariaDB* && $(travis_vers2int "$name") -ge 10011000000 || $version != *MariaDB* && $(travis_vers2int "$name") -ge 8000013000 ]]; then
    address=$(_travis_service_addresses ,)
  fi
  for name in mariadb-install-db mysql_install_db; do
    [[ -n $install ]] || install=$(command -v "$name" || :)
  done
  # A smaller log: these files are memory.
  common=(--no-defaults "--datadir=$home/data" --innodb-log-file-size=48M)
  [[ $(id -u) != 0 ]] || common+=(--user=root)
  if [[ -n $install ]]; then
    "$install" "${common[@]}" --auth-root-authentication-method=normal --skip-test-db >"$home/log" 2>&1
  else
    "$program" "${common[@]}" --initialize-insecure >"$home/log" 2>&1
  fi || { _travis_service_failed mysql; return; }
  _travis_service_sockets /var/run/mysqld
  socket=$TRAVIS_SOCKETS/mysqld.sock
  _travis_serve 3306 "$program" "${common[@]}" "--socket=$socket" "--pid-file=$home/mysqld.pid" \
    "--bind-address=$address" --port=3306 --innodb-flush-log-at-trx-commit=0 --loose-mysqlx=0 || return
  export MYSQL_UNIX_PORT=$socket
  ln -sf "$socket" /tmp/mysql.sock
  if [[ $TRAVIS_SOCKETS == "$home" && ! -e $HOME/.my.cnf ]]; then printf '[client]\nsocket=%s\n' "$socket" >"$HOME/.my.cnf"; fi
  for name in localhost %; do
    mysql --no-defaults --socket="$socket" -u root \
      -e "CREATE USER 'travis'@'$name'; GRANT ALL PRIVILEGES ON *.* TO 'travis'@'$name' WITH GRANT OPTION" >/dev/null 2>&1
  done
}

_travis_service_xvfb() {
  command -v Xvfb >/dev/null || { _travis_service_absent xvfb '' Xvfb; return; }
  [[ -n ${TRAVIS_SERVICE_LATER:-} ]] || export DISPLAY=:99.0
  _travis_serve /tmp/.X11-unix/X99 Xvfb :99 -screen 0 1280x1024x24 -nolisten tcp
}
