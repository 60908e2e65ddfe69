//! The second pass: the same program again as an ordinary user, who has no control group.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Runs the cases as the test user; gives how many passed and how many failed.
pub(crate) fn as_user(chosen: &[String]) -> Result<(u32, u32), String> {
    let name = std::env::var("ASSAY_TEST_USER").unwrap_or_else(|_| "assaytest".to_owned());
    let (uid, gid) = ids(&name)
        .ok_or_else(|| format!("no user {name:?} (make one, or name one in ASSAY_TEST_USER)"))?;
    // The program may lie in a folder that the user can't reach; its own image can always be opened again.
    let mut child = Command::new("/proc/self/exe")
        .args(chosen)
        .env("TMPDIR", "/tmp")
        .current_dir("/")
        .uid(uid)
        .gid(gid)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let (mut passed, mut failed) = (0, 0);
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            passed += u32::from(line.starts_with("ok "));
            failed += u32::from(line.starts_with("FAIL "));
            if line.starts_with("ok ") || line.starts_with("FAIL ") {
                println!("{line}");
            }
        }
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    // Ending in another way than by its own word counts as a failure.
    Ok((passed, failed.max(u32::from(!status.success()))))
}

fn ids(name: &str) -> Option<(u32, u32)> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = passwd
        .lines()
        .find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}
