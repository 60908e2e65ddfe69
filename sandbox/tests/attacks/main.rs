//! Runs attacks as jobs.

use std::time::Duration;

use assay_sandbox::*;

fn spec(script: &str) -> RunSpec {
    RunSpec {
        id: format!("t{}", std::process::id()),
        argv: vec!["bash".into(), "-c".into(), script.into()],
        env: vec![("PATH".into(), "/usr/bin:/bin".into()), ("HOME".into(), "/home/travis".into()), ("TERM".into(), "xterm".into())],
        cwd: "/home/travis/build/o/r".into(),
        home: "/home/travis".into(),
        user: "travis".into(),
        image: Image::Host { folders: vec![] },
        binds: vec![],
        limits: Limits {
            wall: Duration::from_secs(60),
            silence: Duration::from_secs(30),
            grace: Duration::from_secs(1),
            memory: 1 << 30,
            processes: 100,
            disk: 1 << 28,
            inodes: 10_000,
            output: 1 << 20,
            cpu_weight: 100,
        },
        slot: 0,
        uid_base: 1_800_000_000,
        require: vec![],
        terminal: (80, 24),
    }
}

#[tokio::main]
async fn run() {
    let launcher = Launcher { program: "/proc/self/exe".into(), args: vec!["launch".into()] };
    let t = std::time::Instant::now();
    let (mut run, mut tree) = Run::start(&launcher, spec(&std::env::args().nth(1).unwrap())).await.unwrap();
    tokio::task::spawn_blocking(move || {
        tree.file(b"hello.txt", false, b"hi\n")?;
        tree.finish()
    })
    .await
    .unwrap().unwrap();
    while let Some(event) = run.event().await {
        match event {
            RunEvent::Output(bytes) => print!("{}", String::from_utf8_lossy(&bytes)),
            other => println!("[{other:?}]"),
        }
    }
    println!("{:?} {:?}", run.finish().await, t.elapsed());
}

fn main() -> std::process::ExitCode {
    if std::env::args().nth(1).as_deref() == Some("launch") {
        return launcher_main();
    }
    run();
    std::process::ExitCode::SUCCESS
}
