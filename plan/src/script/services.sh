# Services: started as the job's own user, on loopback, with their files in the job's home; they end with the job.
_travis_service_pids=()

# Starts a program that stays. It is none of the shell's jobs, so that the author's `wait` doesn't wait for it.
_travis_serve() {
  "$@" </dev/null >"$TRAVIS_SERVICE_HOME/log" 2>&1 &
  TRAVIS_SERVICE_PID=$!
  _travis_service_pids+=("$TRAVIS_SERVICE_PID")
  disown "$TRAVIS_SERVICE_PID"
}

# Waits until the port answers or the program has ended. $1: name, $2: port.
_travis_service_ready() {
  local tries
  for ((tries = 0; tries < 300; tries++)); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null; then
      printf '%s is ready on 127.0.0.1:%s.\n' "$1" "$2"
      return 0
    fi
    kill -0 "$TRAVIS_SERVICE_PID" 2>/dev/null || break
    sleep 0.1
  done
  _travis_service_failed "$1"
}

_travis_service_failed() {
  _travis_say "$ANSI_YELLOW" "The service $1 did not start; going on without it. It said:"
  [[ ! -f $TRAVIS_SERVICE_HOME/log ]] || tail -n 20 "$TRAVIS_SERVICE_HOME/log"
  return 1
}

_travis_service_absent() {
  _travis_say "$ANSI_YELLOW" "The service $1${2:+ $2} is not started: this machine has no ${3:-$1}${2:+ $2}."
}

# $1: name as in the file, $2: version, if one is asked for.
_travis_service() {
  local name=$1
  case $name in
  redis-server) name=redis ;;
  postgres) name=postgresql ;;
  memcache) name=memcached ;;
  rabbitmq-server) name=rabbitmq ;;
  mariadb) name=mysql ;;
  esac
  TRAVIS_SERVICE_HOME=$HOME/.travis/services/$name
  mkdir -p "$TRAVIS_SERVICE_HOME"
  case $name in
  redis | postgresql | memcached | rabbitmq | mysql | mongodb | xvfb) "_travis_service_$name" "${2:-}" ;;
  docker | cri-dockerd) _travis_say "$ANSI_YELLOW" "The service $1 is not started: a job has no right to run containers on this machine." ;;
  *) _travis_say "$ANSI_YELLOW" "The service $1 is not started: there is no way to run it as a job's own user on this machine." ;;
  esac
}

_travis_service_redis() {
  command -v redis-server >/dev/null || { _travis_service_absent redis; return; }
  _travis_serve redis-server --bind 127.0.0.1 --port 6379 --save '' --appendonly no --dir "$TRAVIS_SERVICE_HOME"
  _travis_service_ready redis 6379
}

_travis_service_memcached() {
  command -v memcached >/dev/null || { _travis_service_absent memcached; return; }
  _travis_serve memcached -l 127.0.0.1 -p 11211
  _travis_service_ready memcached 11211
}

_travis_service_mongodb() {
  command -v mongod >/dev/null || { _travis_service_absent mongodb; return; }
  mkdir -p "$TRAVIS_SERVICE_HOME/data"
  _travis_serve mongod --dbpath "$TRAVIS_SERVICE_HOME/data" --bind_ip 127.0.0.1 --port 27017
  _travis_service_ready mongodb 27017
}

_travis_service_rabbitmq() {
  local program=/usr/lib/rabbitmq/bin/rabbitmq-server home=$TRAVIS_SERVICE_HOME
  [[ -x $program ]] || program=rabbitmq-server
  command -v "$program" >/dev/null || { _travis_service_absent rabbitmq; return; }
  export RABBITMQ_NODENAME=rabbit@localhost RABBITMQ_MNESIA_BASE=$home/mnesia RABBITMQ_LOG_BASE=$home/log.d
  export RABBITMQ_ENABLED_PLUGINS_FILE=$home/plugins RABBITMQ_PID_FILE=$home/pid RABBITMQ_NODE_IP_ADDRESS=127.0.0.1
  mkdir -p "$RABBITMQ_MNESIA_BASE" "$RABBITMQ_LOG_BASE"
  _travis_serve "$program"
  _travis_service_ready rabbitmq 5672
}

# No password anywhere: postgres and travis are superusers, as on Travis.
_travis_service_postgresql() {
  local wanted=$1 bin='' dir home=$TRAVIS_SERVICE_HOME sockets
  for dir in /usr/lib/postgresql/* /usr/pgsql-* /opt/postgresql/*; do
    [[ -x $dir/bin/postgres && -x $dir/bin/initdb ]] || continue
    [[ -z $wanted || ${dir##*[/-]} == "$wanted" || ${dir##*[/-]} == "${wanted%%.*}" ]] && bin=$dir/bin
  done
  if [[ -z $bin && -z $wanted ]] && command -v initdb >/dev/null && command -v postgres >/dev/null; then
    bin=$(dirname "$(command -v initdb)")
  fi
  [[ -n $bin ]] || { _travis_service_absent postgresql "$wanted"; return; }
  sockets=/var/run/postgresql
  if ! mkdir -p "$sockets" 2>/dev/null || [[ ! -w $sockets ]]; then
    sockets=$home
    export PGHOST=127.0.0.1
  fi
  if ! "$bin/initdb" -D "$home/data" -U postgres -A trust -E UTF8 --no-sync >"$home/log" 2>&1; then
    _travis_service_failed postgresql
    return
  fi
  _travis_serve "$bin/postgres" -D "$home/data" -h 127.0.0.1 -p 5432 -k "$sockets" -F
  _travis_service_ready postgresql 5432 || return
  # A port that answers may still be starting up.
  for dir in {1..100}; do
    "$bin/psql" -h 127.0.0.1 -U postgres -qc 'CREATE ROLE travis SUPERUSER LOGIN' >/dev/null 2>&1 && break
    sleep 0.1
  done
  "$bin/psql" -h 127.0.0.1 -U postgres -qc 'CREATE DATABASE travis OWNER travis' >/dev/null 2>&1
  export PATH=$PATH:$bin
}

# No password for root and travis, as on Travis.
_travis_service_mysql() {
  local wanted=$1 program='' name home=$TRAVIS_SERVICE_HOME install='' TRAVIS_FOUND=
  for name in mariadbd mysqld; do
    [[ -n $program ]] || program=$(command -v "$name" || :)
  done
  [[ -n $program ]] || { _travis_service_absent mysql "$wanted"; return; }
  if [[ -n $wanted ]]; then
    [[ $("$program" --version 2>/dev/null) =~ [0-9]+(\.[0-9]+)* ]] && TRAVIS_FOUND=${BASH_REMATCH[0]}
    [[ $TRAVIS_FOUND == "$wanted" || $TRAVIS_FOUND == "$wanted".* ]] || { _travis_service_absent mariadb "$wanted"; return; }
  fi
  for name in mariadb-install-db mysql_install_db; do
    [[ -n $install ]] || install=$(command -v "$name" || :)
  done
  if [[ -n $install ]]; then
    "$install" --no-defaults --datadir="$home/data" --auth-root-authentication-method=normal --skip-test-db >"$home/log" 2>&1
  else
    "$program" --no-defaults --initialize-insecure --datadir="$home/data" >"$home/log" 2>&1
  fi || { _travis_service_failed mysql; return; }
  _travis_serve "$program" --no-defaults --datadir="$home/data" --socket="$home/socket" --pid-file="$home/pid" \
    --bind-address=127.0.0.1 --port=3306 --innodb-flush-log-at-trx-commit=0
  _travis_service_ready mysql 3306 || return
  [[ -e $HOME/.my.cnf ]] || printf '[client]\nsocket=%s\n' "$home/socket" >"$HOME/.my.cnf"
  export MYSQL_UNIX_PORT=$home/socket
  mysql --no-defaults --socket="$home/socket" -u root \
    -e "CREATE USER 'travis'@'localhost'; GRANT ALL PRIVILEGES ON *.* TO 'travis'@'localhost' WITH GRANT OPTION" >/dev/null 2>&1
}

_travis_service_xvfb() {
  command -v Xvfb >/dev/null || { _travis_service_absent xvfb '' Xvfb; return; }
  export DISPLAY=:99.0
  _travis_serve Xvfb :99 -screen 0 1280x1024x24
  printf 'Xvfb is started; DISPLAY is %s.\n' "$DISPLAY"
}
