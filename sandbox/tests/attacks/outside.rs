//! A little internet for the rows about networks: this whole program runs in a network namespace of its own, joined by a
//! cable to another one that plays everybody else. No packet leaves the machine.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::process::{Child, Command, ExitCode, Stdio};

/// Set for the program within the namespace.
const INSIDE: &str = "ASSAY_TEST_OUTSIDE";
/// Where everybody else listens.
pub(crate) const PORT: u16 = 8080;
/// Addresses of ours, "the host".
pub(crate) const OURS: [&str; 3] = ["203.0.113.2", "203.0.113.3", "2001:db8:1::2"];
/// A public site, by either protocol.
pub(crate) const SITE: &str = "198.51.100.10";
pub(crate) const SITE_6: &str = "2001:db8:2::10";
/// Stand-ins for every kind of closed range.
pub(crate) const CLOSED: [&str; 8] = [
    "10.1.2.3",
    "172.16.5.5",
    "192.168.7.7",
    "100.64.1.1",
    "169.254.169.254",
    "198.18.0.7",
    "192.0.0.9",
    "240.0.0.5",
];
pub(crate) const CLOSED_6: [&str; 3] = ["fd00:ec2::254", "64:ff9b::a01:203", "2002:a01:203::1"];

/// Whether there is an outside.
pub(crate) fn exists() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Starts this program again in the namespaces, if that can be done and hasn't been.
pub(crate) fn enter(args: &[String]) -> Option<ExitCode> {
    if exists() || !rustix::process::geteuid().is_root() {
        return None;
    }
    let status = Command::new("unshare")
        .args(["--net", "--mount", "--propagation", "private", "--"])
        .arg(std::env::current_exe().ok()?)
        .args(args)
        .env(INSIDE, "1")
        .status()
        .ok()?;
    Some(ExitCode::from(
        u8::try_from(status.code().unwrap_or(1)).unwrap_or(1),
    ))
}

/// Covers pasta in this program's own mount namespace, if there is another helper to use instead.
pub(crate) fn hide_pasta() -> bool {
    let pasta = std::path::Path::new("/usr/bin/pasta");
    let other = std::path::Path::new("/usr/bin/slirp4netns");
    if !(pasta.exists() && other.exists()) {
        return false;
    }
    let status = Command::new("mount")
        .args(["--bind", "/dev/null"])
        .arg(pasta)
        .status();
    status.is_ok_and(|status| status.success())
}

/// Everybody else; ends with this.
pub(crate) struct Outside(Child);

impl Drop for Outside {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        drop(self.0.wait());
    }
}

/// Lays the cable and opens for business. Only the first pass, root's, does it; the second finds it there.
pub(crate) fn build(folder: &std::path::Path) -> Result<Outside, String> {
    let text = |e: std::io::Error| e.to_string();
    let mut child = Command::new("unshare")
        .args(["--net", "--"])
        .arg(std::env::current_exe().map_err(text)?)
        .arg("outside")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(text)?;
    let mut said = BufReader::new(child.stdout.take().ok_or("no output")?);
    let mut line = String::new();
    said.read_line(&mut line).map_err(text)?;
    let peer = line.trim().to_owned();
    ip(&["link", "set", "lo", "up"])?;
    ip(&[
        "link", "add", "cable0", "type", "veth", "peer", "name", "cable1", "netns", &peer,
    ])?;
    for address in ["203.0.113.2/24", "203.0.113.3/32", "2001:db8:1::2/64"] {
        ip(&["address", "add", address, "dev", "cable0", "nodad"])?;
    }
    ip(&["link", "set", "cable0", "up"])?;
    ip(&["route", "add", "default", "via", "203.0.113.1"])?;
    ip(&["-6", "route", "add", "default", "via", "2001:db8:1::1"])?;
    child
        .stdin
        .as_mut()
        .ok_or("no input")?
        .write_all(b"go\n")
        .map_err(text)?;
    line.clear();
    said.read_line(&mut line).map_err(text)?;
    if line.trim() != "ready" {
        return Err(format!("the outside isn't there: {line}"));
    }
    let resolver = folder.join("resolv.conf");
    std::fs::write(&resolver, "nameserver 203.0.113.1\n").map_err(text)?;
    let status = Command::new("mount")
        .arg("--bind")
        .arg(&resolver)
        .arg("/etc/resolv.conf")
        .status()
        .map_err(text)?;
    match status.success() {
        true => Ok(Outside(child)),
        false => Err("resolv.conf can't be covered".to_owned()),
    }
}

fn ip(args: &[&str]) -> Result<(), String> {
    let output = Command::new("ip")
        .args(args)
        .output()
        .map_err(|e| format!("ip: {e}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "ip {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

/// The other side of the cable: `outside`.
pub(crate) fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), String> {
    let text = |e: std::io::Error| e.to_string();
    println!("{}", std::process::id());
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(text)?;
    ip(&["link", "set", "lo", "up"])?;
    for address in CLOSED.iter().chain(&CLOSED_6).chain(&[SITE, SITE_6]) {
        // Some are refused even as an address of one's own; then nobody is there, which is as well.
        drop(ip(&["address", "add", address, "dev", "lo", "nodad"]));
    }
    for address in ["203.0.113.1/24", "2001:db8:1::1/64"] {
        ip(&["address", "add", address, "dev", "cable1", "nodad"])?;
    }
    ip(&["link", "set", "cable1", "up"])?;
    let sites = TcpListener::bind(("::", PORT)).map_err(text)?;
    std::thread::spawn(move || {
        for stream in sites.incoming().flatten() {
            drop((&stream).write_all(b"OUTSIDE\n"));
        }
    });
    let names = UdpSocket::bind("0.0.0.0:53").map_err(text)?;
    std::thread::spawn(move || {
        let mut packet = [0; 512];
        while let Ok((length, who)) = names.recv_from(&mut packet) {
            drop(names.send_to(&answer(&packet[..length]), who));
        }
    });
    println!("ready");
    // Until the other side hangs up.
    drop(std::io::stdin().read_to_end(&mut Vec::new()));
    Ok(())
}

/// A name server that means ill: some of its names lead inside.
fn answer(question: &[u8]) -> Vec<u8> {
    let Some(name_end) = question
        .get(12..)
        .and_then(|rest| rest.iter().position(|b| *b == 0))
        .map(|at| 12 + at)
    else {
        return Vec::new();
    };
    let name: String = question[13..name_end.max(13)]
        .iter()
        .map(|b| {
            if b.is_ascii_graphic() {
                char::from(*b)
            } else {
                '.'
            }
        })
        .collect();
    let address: Option<[u8; 4]> = match name.as_str() {
        "good.test" => Some([198, 51, 100, 10]),
        "lan.test" => Some([203, 0, 113, 3]),
        "private.test" => Some([10, 1, 2, 3]),
        "loop.test" => Some([127, 0, 0, 1]),
        _ => None,
    };
    let is_a = question.get(name_end + 2) == Some(&1);
    let mut reply = question[..name_end + 5].to_vec();
    reply[2] = 0x81;
    reply[3] = if address.is_some() { 0x80 } else { 0x83 };
    for at in [6, 7, 8, 9, 10, 11] {
        reply[at] = 0;
    }
    if let Some(address) = address.filter(|_| is_a) {
        reply[7] = 1;
        reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        reply.extend_from_slice(&address);
    }
    reply
}
