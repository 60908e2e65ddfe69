//! Services, with stand-ins for their programs. Each case has a port of its own: these scripts run outside of any sandbox.

use crate::nouns;
use crate::shell::{World, run_in, run_with};

/// A program that takes this port, a while after its start, and leaves its process number in the home.
fn server(port: u16) -> String {
    format!(
        "sleep 0.3\necho $$ >~/up\nexec python3 -c 'import socket, time\nserver = socket.create_server((\"127.0.0.1\", {port}))\ntime.sleep(600)'"
    )
}

#[test]
fn a_service_is_ready_before_the_first_phase_and_no_job_of_the_shell() {
    let world = World {
        programs: &[("bin/redis-server", &server(6379))],
        ..World::default()
    };
    let yaml = "language: generic\nservices: redis-server\nbefore_install: test -e ~/up\nscript: ['wait', 'exec 3<>/dev/tcp/127.0.0.1/6379']";
    let ran = run_in(&nouns::build(), yaml, &world);
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert!(
        ran.log.contains("redis is ready on 127.0.0.1:6379."),
        "{}",
        ran.log
    );
}

#[test]
fn a_service_that_dies_is_shown_and_the_job_goes_on() {
    let world = World {
        programs: &[("bin/mongod", "echo unknown option; exit 3")],
        ..World::default()
    };
    let yaml = "language: generic\nservices: mongodb\nscript: echo on";
    let ran = run_in(&nouns::build(), yaml, &world);
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    for part in [
        "The service mongodb did not start; going on without it. It said:",
        "\nunknown option\n",
        "\non\n",
    ] {
        assert!(ran.log.contains(part), "{part}: {}", ran.log);
    }
}

#[test]
fn a_service_that_never_answers_is_not_waited_for_for_ever() {
    let world = World {
        programs: &[("bin/mongod", "echo still busy; exec sleep 600")],
        ..World::default()
    };
    let yaml = "language: generic\nservices: mongodb\nscript: echo on";
    let ran = run_with(
        &nouns::build(),
        yaml,
        &[("TRAVIS_SERVICE_PATIENCE".to_owned(), "1".to_owned())],
        &world,
    );
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    for part in [
        "The service mongodb is not ready yet; going on without it. It said:",
        "\nstill busy\n",
        "\non\n",
    ] {
        assert!(ran.log.contains(part), "{part}: {}", ran.log);
    }
}

#[test]
fn services_are_stopped_and_started_by_service_and_sudo() {
    let display = "mkdir -p /tmp/.X11-unix; exec python3 -c 'import socket, time\nsocket.socket(socket.AF_UNIX).bind(\"/tmp/.X11-unix/X99\"); time.sleep(600)'";
    let world = World {
        programs: &[
            ("bin/memcached", &server(11211)),
            ("bin/Xvfb", display),
            ("bin/sudo", "echo \"no root for $*\"; exit 1"),
            ("bin/psql", "echo \"$PGUSER asks $*\""),
        ],
        ..World::default()
    };
    let yaml = "language: generic\nservices: memcached\nscript:\n  - first=$(cat ~/up)\n  - service memcached status\n  \
                - sudo -E service memcached restart && exec 3<>/dev/tcp/127.0.0.1/11211\n  - test $first != $(cat ~/up)\n  \
                - \"! kill -0 $first\"\n  - systemctl stop memcached.service\n  - \"! (exec 3<>/dev/tcp/127.0.0.1/11211)\"\n  \
                - \"! sudo /etc/init.d/memcached status\"\n  - service memcached start && exec 3<>/dev/tcp/127.0.0.1/11211\n  \
                - \"! service no-such-service stop\"\n  - \"! sudo make install\"\n  \
                - \"! sudo -u nobody psql -l\"\n  - sudo -u postgres psql -l\n  \
                - test -z \"$DISPLAY\" && sh -e /etc/init.d/xvfb start\n  - test -S /tmp/.X11-unix/X99\n  \
                - systemctl is-active memcached xvfb\n  - systemctl --now stop memcached xvfb.service\n  \
                - \"! systemctl is-active memcached xvfb\"\n  - \"! sudo sh -e /etc/init.d/xvfb status\"\n  \
                - sh -c 'echo a shell of its own $#' sh 1 2; rm -f /tmp/.X11-unix/X99";
    let ran = run_in(&nouns::build(), yaml, &world);
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    for part in [
        "\nmemcached is running\n",
        "\nmemcached is not running\n",
        "\nno root for make install\n",
        "\nno root for -u nobody psql -l\n",
        "\npostgres asks -l\n",
        "\nmemcached is running\nxvfb is running\n",
        "\nmemcached is not running\nxvfb is not running\n",
        "\na shell of its own 2\n",
    ] {
        assert!(ran.log.contains(part), "{part}: {}", ran.log);
    }
}

#[test]
fn services_that_are_not_there_are_said_and_no_more() {
    let plain = crate::shell::run("language: generic\nscript: 'true'");
    assert!(!plain.log.contains("service"), "{}", plain.log);
    let ran =
        crate::shell::run("language: generic\nservices: [docker, riak, cassandra]\nscript: 'true'");
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    for part in [
        "travis_fold:start:services",
        "The service docker is not started",
        "The service riak is not started",
    ] {
        assert!(ran.log.contains(part), "{part}: {}", ran.log);
    }
}
